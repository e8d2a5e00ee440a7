// Package storm tests the program at its worst: several programs read, walk
// and save on a mount, while everything around them breaks.
//
// The network to both hosts, the disk, the clock and the program itself are what
// breaks. What goes wrong and when, and what each program does are drawn from a
// seed. The seed is printed, and replays:
//
//	go test -race ./fs/mounted/storm -for 20m -seed 7
//
// What must hold all the time: who reads gets the right bytes or an error,
// never others and never a file that ends early; nothing waits longer than the
// deadlines allow; one save is at most one run, and exactly one if it was told
// to be well. And afterwards, when the weather is fine again: everything can be
// read, what was kept is there although Replicate has deleted it, and the
// program holds no more descriptors and goroutines than it did before.
package storm
