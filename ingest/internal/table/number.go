package table

import (
	"bytes"
	"math"
	"strconv"
)

// Digits of a decimal before and behind the point: numeric(38, 9).
const (
	decimalWhole    = 29
	decimalFraction = 9
)

// exact is a number as it is written: ± digits × 10^exponent, without zeros at either end of digits; no digits are 0.
type exact struct {
	negative bool
	digits   []byte
	exponent int
}

// parseExact reads a JSON number. False where the text is none; exponents beyond a million are far outside of every type and come back as a million.
func parseExact(text []byte) (exact, bool) {
	var number exact
	if len(text) > 0 && text[0] == '-' {
		number.negative, text = true, text[1:]
	}
	exponentAt := bytes.IndexAny(text, "eE")
	mantissa := text
	if exponentAt >= 0 {
		mantissa = text[:exponentAt]
		if !number.readExponent(text[exponentAt+1:]) {
			return exact{}, false
		}
	}
	whole, fraction, point := bytes.Cut(mantissa, []byte("."))
	if !isDigits(whole) || (len(whole) > 1 && whole[0] == '0') || (point && !isDigits(fraction)) {
		return exact{}, false
	}
	number.digits = whole
	if point {
		number.digits = append(append(make([]byte, 0, len(mantissa)), whole...), fraction...)
		number.exponent -= len(fraction)
	}
	number.digits = bytes.TrimLeft(number.digits, "0")
	short := bytes.TrimRight(number.digits, "0")
	number.exponent += len(number.digits) - len(short)
	number.digits = short
	if len(short) == 0 {
		number = exact{}
	}
	return number, true
}

func (n *exact) readExponent(text []byte) bool {
	digits := bytes.TrimPrefix(text, []byte("-"))
	if len(digits) == len(text) {
		digits = bytes.TrimPrefix(text, []byte("+"))
	}
	if !isDigits(digits) {
		return false
	}
	size, err := strconv.Atoi(string(digits))
	if err != nil || size > 1_000_000 {
		size = 1_000_000
	}
	n.exponent = size
	if text[0] == '-' {
		n.exponent = -size
	}
	return true
}

func isDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

// whole is the number × 10^shift as an int64; false where that is no whole number or too large.
func (n exact) whole(shift int) (int64, bool) {
	if len(n.digits) == 0 {
		return 0, true
	}
	zeros := n.exponent + shift
	if zeros < 0 || len(n.digits)+zeros > 19 {
		return 0, false
	}
	var size uint64
	for _, digit := range n.digits {
		size = size*10 + uint64(digit-'0')
	}
	// 19 digits are below 2^64.
	for range zeros {
		size *= 10
	}
	if n.negative {
		return -int64(size), size <= 1<<63
	}
	return int64(size), size <= math.MaxInt64
}

// appendDecimal writes the number canonically; false where numeric(38, 9) would cut it off or not hold it.
func (n exact) appendDecimal(out []byte) ([]byte, bool) {
	if len(n.digits) == 0 {
		return append(out, '0'), true
	}
	whole := len(n.digits) + n.exponent
	if whole > decimalWhole || -n.exponent > decimalFraction {
		return out, false
	}
	if n.negative {
		out = append(out, '-')
	}
	if whole <= 0 {
		out = append(out, '0')
	} else {
		out = append(out, n.digits[:min(whole, len(n.digits))]...)
	}
	for range n.exponent {
		out = append(out, '0')
	}
	if n.exponent < 0 {
		out = append(out, '.')
		for range -whole {
			out = append(out, '0')
		}
		out = append(out, n.digits[max(whole, 0):]...)
	}
	return out, true
}

// parseInt is the fast way for most whole numbers; false sends the rest the exact way.
func parseInt(text []byte) (int64, bool) {
	digits, negative := text, false
	if len(text) > 0 && text[0] == '-' {
		digits, negative = text[1:], true
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	var size int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		size = size*10 + int64(c-'0')
	}
	if negative {
		size = -size
	}
	return size, true
}
