package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/urfave/cli/v2"
)

// A daemon is this program, started once more in a session of its own. It
// speaks for itself, on the terminal of whoever started it, until it is
// mounted; then it lets go of everything and says so through a pipe. Whoever
// started it waits for that, or for its end, and passes on how it ended.

// readyKey is the variable that tells a daemon that it is one, and the number
// of its pipe.
const readyKey = "REPLICATEFS_READY_FD"

func daemonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "daemon", Usage: "go on in the background, and return when the folder is mounted", EnvVars: env("daemon")}
}

// ended is the exit status of a daemon that has already said why.
type ended int

func (e ended) Error() string { return "exit status " + strconv.Itoa(int(e)) }

// wantsDaemon tells whether this process is to start a daemon; the daemon
// itself is one already.
func wantsDaemon(c *cli.Context) bool { return c.Bool("daemon") && os.Getenv(readyKey) == "" }

// startDaemon runs this command line again as a daemon. It returns when that
// is mounted, or with why it is not.
func startDaemon(c *cli.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	ready, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	args, _ := c.App.Metadata["args"].([]string)
	cmd := exec.Command(program, args[1:]...)
	cmd.Stdout, cmd.Stderr = c.App.Writer, c.App.ErrWriter
	cmd.ExtraFiles = []*os.File{tell} // the first of these is descriptor 3
	cmd.Env = append(os.Environ(), readyKey+"=3")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	keepForUs() // a lock of whoever started us, say, is not for the daemon
	err = cmd.Start()
	tell.Close()
	if err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	// A session of its own hears no Ctrl-C.
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-c.Context.Done():
			cmd.Process.Signal(syscall.SIGTERM)
		case <-stop:
		}
	}()
	if n, _ := ready.Read(make([]byte, 1)); n == 1 {
		return nil
	}
	err = cmd.Wait()
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.ExitCode() > 0 {
		return ended(failed.ExitCode())
	}
	if err == nil {
		err = errors.New("it ended at once")
	}
	return fmt.Errorf("the daemon is not there: %w", err)
}

// leave ends the daemon's ties to whoever started it: the folder, the terminal
// and the pipes, of which a script or ssh would wait for the end. What is left
// to say goes to the log. Without a daemon it does nothing.
func (cfg config) leave() error {
	if os.Getenv(readyKey) == "" {
		return nil
	}
	os.Unsetenv(readyKey) // not for the programs that we start
	if err := os.Chdir("/"); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := replace(fd, null); err != nil {
			return err
		}
	}
	// The words of a crash go where the log does.
	if err := cfg.journal.takeStderr(); err != nil {
		return err
	}
	tell := os.NewFile(3, "ready")
	tell.Write([]byte{1}) // to nobody, if we were started by one who was killed
	return tell.Close()
}
