package sqlstate_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to look at the database by the side
)

// errNoPostgres says why there is no PostgreSQL to test with.
var errNoPostgres = errors.New("PostgreSQL is not installed (Debian: apt-get install postgresql-15)")

// A server is a PostgreSQL server of this test alone. It dies with the test
// process, however that ends.
type server struct {
	dir, bin, password string
	port               int
	log                bytes.Buffer
	cmd                *exec.Cmd
	ended              chan struct{}
	alive              io.Closer // what the keeper of the directory waits for
	kept               chan struct{}
}

// newServerDir returns a server with an empty directory, which goes with the test
// process: another one, which outlives it, waits for its end and removes the
// directory. The server may still be writing then.
func newServerDir(bin, password string) (*server, error) {
	dir, err := os.MkdirTemp("", "daypass-postgres-")
	if err != nil {
		return nil, err
	}
	keeper := exec.Command("sh", "-c", `cat; until rm -rf "$0"; do sleep 0.1; done 2>/dev/null`, dir)
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	alive, err := keeper.StdinPipe()
	if err == nil {
		err = keeper.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &server{dir: dir, bin: bin, password: password, alive: alive, kept: make(chan struct{})}
	go func() {
		defer close(s.kept)
		keeper.Wait()
	}()
	return s, nil
}

// startServer makes a cluster in a temporary directory and starts it.
func startServer() (*server, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return nil, errNoPostgres
	}
	slices.Sort(found)
	s, err := newServerDir(filepath.Dir(found[len(found)-1]), rand.Text())
	if err != nil {
		return nil, err
	}
	if err := s.init(); err != nil {
		s.remove()
		return nil, err
	}
	if err := s.start(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// command returns a command that runs as user postgres where this process may
// not run the server itself, which refuses root.
func (s *server) command(name string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + s.bin, "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return cmd, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return cmd, os.Chown(s.dir, uid, gid)
}

func (s *server) init() error {
	word := filepath.Join(s.dir, "password")
	if err := os.WriteFile(word, []byte(s.password), 0o644); err != nil {
		return err
	}
	cmd, err := s.command("initdb", "-D", s.data(), "-U", "postgres", "-E", "UTF8",
		"--locale=C", "--auth=scram-sha-256", "--pwfile="+word, "--no-sync")
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// start starts the server and waits until it answers.
func (s *server) start() error {
	if s.port == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.port = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	args := []string{"-D", s.data(), "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-k", "",
		"-c", "max_connections=200", "-c", "shared_buffers=128MB", "-c", "max_wal_size=2GB"}
	if flag.Lookup("test.bench").Value.String() == "" {
		// Tests kill servers, not the machine under them: what was written is there.
		args = append(args, "-c", "fsync=off")
	}
	cmd, err := s.command("postgres", args...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	started := make(chan error)
	s.cmd, s.ended = cmd, make(chan struct{})
	go func() {
		// The server gets its signal when the thread that started it ends.
		runtime.LockOSThread()
		defer close(s.ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	return s.wait()
}

func (s *server) wait() error {
	var err error
	for range 300 {
		if err = s.exec("postgres", "SELECT 1"); err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the server has ended: %s", s.log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	s.kill()
	return fmt.Errorf("the server does not answer: %w\n%s", err, s.log.String())
}

// kill ends the server at once, as a crash would.
func (s *server) kill() {
	s.cmd.Process.Signal(syscall.SIGQUIT)
	<-s.ended
}

// remove removes the directory of a server that has ended.
func (s *server) remove() {
	s.alive.Close()
	<-s.kept
}

// url returns a connection string for a database.
func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/%s?sslmode=disable", s.password, s.port, database)
}

// exec runs a statement in a database.
func (s *server) exec(database, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := sql.Open("pgx", s.url(database))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
