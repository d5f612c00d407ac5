package settings

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// problems collects everything that is wrong, with its path.
type problems struct{ list []string }

func (p *problems) add(path string, given any, allowed string) {
	text := "nothing"
	if given != nil {
		if written, err := json.Marshal(given); err == nil {
			text = string(written)
		}
		if len(text) > 80 {
			text = strings.ToValidUTF8(text[:80], "") + "…"
		}
	}
	p.list = append(p.list, fmt.Sprintf("%s: %s is given; %s", path, text, allowed))
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	return fmt.Errorf("not allowed: %s", strings.Join(p.list, "; "))
}

// object is a JSON object whose members are taken one by one. A nil object takes note of nothing more.
type object struct {
	problems *problems
	path     string
	members  map[string]any
}

var plainMember = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (o *object) at(name string) string {
	switch {
	case !plainMember.MatchString(name):
		return fmt.Sprintf("%s[%q]", o.path, name)
	case o.path == "":
		return name
	default:
		return o.path + "." + name
	}
}

func asObject(p *problems, path string, value any) *object {
	members, fits := value.(map[string]any)
	if !fits {
		p.add(path, value, "an object is needed")
		return nil
	}
	return &object{problems: p, path: path, members: members}
}

// known notes members that nobody reads.
func (o *object) known(names ...string) {
	if o == nil {
		return
	}
	var unknown []string
	for name := range o.members {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		o.problems.add(o.at(name), o.members[name], "there is no such member; there are "+strings.Join(names, ", "))
	}
}

func (o *object) has(name string) bool {
	return o != nil && o.members[name] != nil
}

func (o *object) object(name string) *object {
	if o == nil {
		return nil
	}
	return asObject(o.problems, o.at(name), o.members[name])
}

// optional is nil, and no problem, where the member is missing.
func (o *object) optional(name string) *object {
	if !o.has(name) {
		return nil
	}
	return o.object(name)
}

func (o *object) text(name string) string {
	if o == nil {
		return ""
	}
	text, fits := o.members[name].(string)
	if !fits || text == "" {
		o.problems.add(o.at(name), o.members[name], "a text is needed")
	}
	return text
}

func (o *object) optionalText(name string) string {
	if !o.has(name) {
		return ""
	}
	return o.text(name)
}

func (o *object) oneOf(name string, allowed ...string) string {
	if o == nil {
		return ""
	}
	text, _ := o.members[name].(string)
	if !slices.Contains(allowed, text) {
		o.problems.add(o.at(name), o.members[name], strings.Join(allowed, ", ")+" are allowed")
	}
	return text
}

func (o *object) number(name string, low, high int64) int64 {
	if o == nil {
		return 0
	}
	written, _ := o.members[name].(json.Number)
	number, err := strconv.ParseInt(string(written), 10, 64)
	if err != nil || number < low || number > high {
		o.problems.add(o.at(name), o.members[name], fmt.Sprintf("a whole number from %d to %d is needed", low, high))
	}
	return number
}

func (o *object) boolean(name string) bool {
	if o == nil {
		return false
	}
	value, fits := o.members[name].(bool)
	if !fits {
		o.problems.add(o.at(name), o.members[name], "true or false is needed")
	}
	return value
}

func (o *object) list(name string) []any {
	if o == nil {
		return nil
	}
	list, fits := o.members[name].([]any)
	if !fits {
		o.problems.add(o.at(name), o.members[name], "a list is needed")
	}
	return list
}

func (o *object) texts(name string, atLeast int) []string {
	var texts []string
	list := o.list(name)
	for i, item := range list {
		text, fits := item.(string)
		if !fits || text == "" {
			o.problems.add(fmt.Sprintf("%s[%d]", o.at(name), i), item, "a text is needed")
		}
		texts = append(texts, text)
	}
	if o != nil && list != nil && len(list) < atLeast {
		o.problems.add(o.at(name), list, fmt.Sprintf("at least %d is needed", atLeast))
	}
	return texts
}
