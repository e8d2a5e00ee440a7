package fuse

// processes answers what the binding must know of the programs that call it.
// Every question may have no answer: the program may live in a pid namespace
// that we cannot see (its pid is 0), belong to somebody else, or be gone.
//
// A pid of a request is the number of a thread. The number of the whole
// process, its thread group, is called tgid here, as in /proc.
type processes interface {
	// tgid returns the process of a thread; 0 if unknown.
	tgid(tid uint32) uint32

	// killed says that the thread is on its way out because of a signal.
	killed(tid uint32) bool

	// holds says whether the process of the thread still has a descriptor of
	// the file with this Ino in the mount on device ("0:45"), opened in this
	// mode (O_WRONLY or O_RDWR). The second result is false where that cannot
	// be told. Two openings in the same mode look like one.
	holds(tid uint32, device string, ino uint64, mode uint32) (held, known bool)

	// waits says whether the thread still sleeps in its call, and whether a
	// signal that asks it to end is pending: INT, QUIT, TERM, HUP or KILL.
	// The third result is false where that cannot be told.
	waits(tid uint32) (asleep, told, known bool)
}
