package command

import (
	"os"
	"os/signal"
	"syscall"
)

// SIGHUP means two things: from logrotate, that the log file was moved away;
// from a terminal that is closed, that the person who mounted has gone. A
// terminal that is closed can no longer be opened.

// A hangup is what serve listens to.
type hangup struct {
	signals  chan os.Signal
	terminal bool // there was one to hang up
}

func listen() *hangup {
	h := &hangup{signals: make(chan os.Signal, 1), terminal: hasTerminal()}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(h.signals, syscall.SIGHUP)
	}
	return h
}

func (h *hangup) stop() { signal.Stop(h.signals) }

// gone tells whether the terminal was closed.
func (h *hangup) gone() bool { return h.terminal && !hasTerminal() }

func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}
