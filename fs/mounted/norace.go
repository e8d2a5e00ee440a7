//go:build !race

package mounted

// Race tells whether the program is built with the race detector, as the tests
// are. It takes many times the memory then, which says nothing of the program.
const Race = false
