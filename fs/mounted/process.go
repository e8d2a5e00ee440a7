package mounted

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Patience is how long anything may take that must happen. Nothing takes nearly
// that long, but on a machine that also builds and tests; what hangs shall not
// take the other tests along.
const Patience = 5 * time.Minute

// A process is one run of the program.
type process struct {
	cmd       *exec.Cmd
	out, said output
	done      chan struct{} // closed when it has ended
	err       error         // of its end, set before
}

// start starts the program and waits until it prints a line that begins with
// ready. If it ends before, the error is a *Failure.
func start(program string, args, env []string, user identity, ready string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.out.line, p.out.seen = ready, make(chan struct{})
	p.cmd.Env = env
	p.cmd.Dir = "/"
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.said
	p.cmd.SysProcAttr = attributes(user)
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	select {
	case <-p.out.seen:
		return p, nil
	case <-p.done:
		return p, &Failure{p.cmd.ProcessState.ExitCode(), p.said.String()}
	case <-time.After(Patience):
		p.kill()
		return p, fmt.Errorf("not ready after %v: %s", Patience, p.said.String())
	}
}

// Log is what the program has printed on standard error since its last start.
func (p *process) Log() string { return p.said.String() }

// PID is the number of its process.
func (p *process) PID() int { return p.cmd.Process.Pid }

// Signal sends it one.
func (p *process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Done is closed when it has ended.
func (p *process) Done() <-chan struct{} { return p.done }

// Status is the exit status with which it ended, or -1 if a signal ended it.
func (p *process) Status() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) interrupt() error {
	if err := p.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(Patience):
		p.Signal(goroutines) // the log then says where it hangs
		p.kill()
		return fmt.Errorf("it goes on %v after an interrupt", Patience)
	}
}

// kill fails if a thread hangs in the kernel, which no signal ends.
func (p *process) kill() error {
	if !p.running() {
		return nil
	}
	p.cmd.Process.Kill()
	select {
	case <-p.done:
		return nil
	case <-time.After(Patience):
		return fmt.Errorf("it lives on %v after SIGKILL:\n%s", Patience, threads(p.PID()))
	}
}

// An output keeps what a process prints.
type output struct {
	mu   sync.Mutex // guards all below
	b    bytes.Buffer
	line string // what the line that is waited for begins with
	seen chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(p)
	if o.line != "" {
		for l := range strings.Lines(o.b.String()) {
			if strings.HasPrefix(l, o.line) && strings.HasSuffix(l, "\n") {
				close(o.seen)
				o.line = ""
				break
			}
		}
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
