package testserver

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	// The driver for the question whether it answers.
	_ "github.com/go-sql-driver/mysql"
)

// Mariadb starts a MariaDB with the user "mesh", who may do everything, without a password. Durable as it comes, so that a kill tells something.
func Mariadb() (*Server, error) {
	program, root, err := find("mariadbd")
	if err != nil {
		return nil, err
	}
	s, err := newServer("mesh-mariadb-")
	if err != nil {
		return nil, err
	}
	share := filepath.Join(root, "/usr/share/mysql")
	data := filepath.Join(s.Data, "data")
	common := []string{program, "--no-defaults", "--user=root", "--datadir=" + data, "--basedir=" + filepath.Join(root, "/usr"), "--lc-messages-dir=" + share,
		"--innodb-log-file-size=64M"}
	s.env = libraries(root)
	if err := bootstrap(common, s.env, data, share); err != nil {
		s.Remove()
		return nil, err
	}
	s.command = append(common, "--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", s.Port), "--socket="+filepath.Join(s.Data, "socket"),
		"--pid-file="+filepath.Join(s.Data, "pid"), "--skip-name-resolve", "--innodb-buffer-pool-size=256M", "--max-connections=100",
		// The defaults compare without case and refuse little; the sink must not depend on either.
		"--max-allowed-packet=64M", "--local-infile=1")
	s.answers = func(int) error {
		db, err := sql.Open("mysql", s.MysqlDSN(""))
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		return db.Ping()
	}
	return s, s.Start()
}

// MysqlDSN of a database of the server.
func (s *Server) MysqlDSN(database string) string {
	return fmt.Sprintf("mesh@tcp(127.0.0.1:%d)/%s?multiStatements=true", s.Port, database)
}

// bootstrap makes the system tables, as mariadb-install-db does.
func bootstrap(common, env []string, data, share string) error {
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	script := bytes.NewBufferString("CREATE DATABASE mysql;\nUSE mysql;\n")
	for _, name := range []string{"mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql", "maria_add_gis_sp_bootstrap.sql"} {
		text, err := os.ReadFile(filepath.Join(share, name))
		if err != nil {
			return err
		}
		script.Write(text)
	}
	script.WriteString("\nFLUSH PRIVILEGES;\nCREATE USER 'mesh'@'127.0.0.1';\nGRANT ALL ON *.* TO 'mesh'@'127.0.0.1' WITH GRANT OPTION;\n")
	command := exec.Command(common[0], append(common[1:], "--bootstrap")...)
	command.Stdin, command.Env = script, append(os.Environ(), env...)
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("bootstrapping MariaDB: %w\n%s", err, text[max(0, len(text)-2000):])
	}
	return nil
}
