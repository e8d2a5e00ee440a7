package mounted_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// Whatever the delivery host does, a program reads the right bytes, or an
// error: never wrong ones, and never a file that ends early.
func TestFaults(t *testing.T) {
	throttle := sim.Throttle(time.Second, sim.InHeader)
	throttle.Times = 2
	tests := []struct {
		name  string
		fault sim.Fault
		fails bool // cat says Input/output error
		small bool // a file that is fetched by one request
	}{
		{"cut", sim.Fault{CutAfter: 100 * kib}, false, false},
		{"cut at once", sim.Fault{CutAfter: -1, Times: 3}, false, false},
		{"cut again and again", sim.Fault{CutAfter: 300 * kib, Times: 5}, false, false},
		{"reset", sim.Fault{Reset: true, Times: 2}, false, false},
		{"500", sim.Fault{Status: 500, Body: "oops", Times: 2}, false, false},
		{"502 with HTML", withTimes(sim.HTML(502), 2), false, false},
		{"503 for good", sim.Fault{Status: 503, Times: -1}, true, false},
		{"429", throttle, false, false},
		{"cut of a small file", sim.Fault{CutAfter: 100 * kib}, false, true},
		{"another version of a small file", sim.Fault{ChangeETag: true, Times: -1}, true, true},
		{"late", sim.Fault{Delay: 300 * time.Millisecond, Times: -1}, false, false},
		{"stall", sim.Fault{StallAfter: 200 * kib}, false, false},
		{"200 for a range", sim.Fault{NoRange: true, Times: -1}, false, false},
		{"another range", sim.Fault{WrongRange: true, Times: 2}, false, false},
		{"another range for good", sim.Fault{WrongRange: true, Times: -1}, true, false},
		{"gzip", sim.Fault{Gzip: true, Times: 2}, false, true},
		{"gzip for good", sim.Fault{Gzip: true, Times: -1}, true, true},
		{"no length", sim.Fault{NoLength: true, Times: -1}, false, false},
		{"another version", sim.Fault{ChangeETag: true, Times: -1}, true, false},
		{"redirect elsewhere", sim.Fault{Redirect: "http://127.0.0.1:1/out.bin", Times: -1}, true, false},
		{"no such host", sim.Fault{Redirect: noSuchHost, Times: 2}, false, false},
		{"no such host for good", sim.Fault{Redirect: noSuchHost, Times: -1}, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			size := 5*mib + 321
			if test.small {
				size = mib
			}
			a := serve(t)
			id, path := addBlob(a, int64(size))
			m := a.Mount(mounted.Options{})
			output(t, m.Command("stat", m.Path(path))) // HEAD goes well
			f := test.fault
			f.Host, f.Method = sim.Delivery, http.MethodGet
			fault := a.Inject(f)
			got, failed := cat(t, m, path)
			if fault.Fired() == 0 {
				t.Error("the fault met no request")
			}
			if failed != test.fails {
				t.Errorf("cat failed: %v, want %v\n%s", failed, test.fails, requests(a, sim.Delivery))
			}
			right(t, a, id, size, got, failed)

			// Afterwards all is well, without a trace of what was wrong.
			fault.Stop()
			if test.fails {
				if test.fault.Redirect == noSuchHost { // nobody answered: it is tried again after a second
					mounted.Until(t, "cat goes well again", func() bool {
						got, failed = cat(t, m, path)
						return !failed
					})
				} else if got, failed = cat(t, m, path); failed {
					t.Error("cat fails after the fault is over")
				}
				right(t, a, id, size, got, failed)
			}
		})
	}
}

// noSuchHost is on an output host whose name is too long to be one: looking it
// up fails as for a name that is unknown, and no server is asked.
var noSuchHost = "https://" + strings.Repeat("x", 64) + ".replicate.delivery/out.bin"

func withTimes(f sim.Fault, n int) sim.Fault {
	f.Times = n
	return f
}

// cat reads a file as cat does, and tells whether cat ended with EIO.
func cat(t *testing.T, m *mounted.Mount, path string) (got []byte, failed bool) {
	t.Helper()
	to := filepath.Join(m.Work, "cat.out")
	out, err := m.Command("sh", "-c", `cat "$1" > "$2"`, "sh", m.Path(path), to).CombinedOutput()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		if !strings.Contains(string(out), "Input/output error") {
			t.Errorf("cat says %q, want an input/output error", out)
		}
		failed = true
	case err != nil:
		t.Fatal(err)
	}
	got, err = os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return got, failed
}

// right checks bytes: all of a file, or its beginning if reading it failed.
func right(t *testing.T, a *mounted.Account, id string, size int, got []byte, failed bool) {
	t.Helper()
	want := make([]byte, size)
	a.ContentAt(id, 0, want, 0)
	if len(got) < size && !failed {
		t.Errorf("the file ends at %d of %d bytes, without an error", len(got), size)
	}
	for i := range got {
		if i >= size || got[i] != want[i] {
			t.Errorf("wrong from byte %d on", i)
			return
		}
	}
}

// Wrong bytes of the right length are found out by the MD5 that is the ETag
// of most files. By then a reader may have some of them, and is told so by an
// error; the next one gets the right ones, from the kernel's cache too.
func TestCorruptBytes(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		const size = mib
		a := serve(t)
		id, path := addBlob(a, size)
		m := a.Mount(o)
		output(t, m.Command("stat", m.Path(path)))
		a.Inject(sim.Fault{Host: sim.Delivery, Method: http.MethodGet, Corrupt: true})
		got, failed := cat(t, m, path)
		if !failed {
			right(t, a, id, size, got, failed)
		}
		if got, failed = cat(t, m, path); failed {
			t.Error("the second cat fails too")
		}
		right(t, a, id, size, got, failed)
	})
}

// A program that reads only the beginning is gone before the MD5 is known.
// The next one does not find its pages in the kernel's cache.
func TestCorruptHeader(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		const size = 400 * kib
		a := serve(t)
		id, path := addBlob(a, size)
		m := a.Mount(o)
		output(t, m.Command("stat", m.Path(path)))
		// Twice: an answer that is late is asked for once more, and the right
		// one might win.
		a.Inject(sim.Fault{Host: sim.Delivery, Method: http.MethodGet, Corrupt: true, Times: 2})
		header, _ := m.Command("head", "-c", "200000", m.Path(path)).Output() // which may be told in time
		want := make([]byte, size)
		a.ContentAt(id, 0, want, 0)
		if len(header) == 200000 && bytes.Equal(header, want[:200000]) {
			t.Fatal("the fault met no byte of the header")
		}
		for range 2 {
			got, failed := cat(t, m, path)
			if !failed {
				right(t, a, id, size, got, failed)
			}
		}
		got, failed := cat(t, m, path)
		if failed {
			t.Error("it never comes right")
		}
		right(t, a, id, size, got, failed)
	})
}

// A broken body is gone on with where it broke.
func TestResume(t *testing.T) {
	t.Parallel()
	const size = 5 * mib
	a := serve(t)
	id, path := addBlob(a, size)
	m := a.Mount(mounted.Options{})
	output(t, m.Command("stat", m.Path(path)))
	a.Inject(sim.Fault{Host: sim.Delivery, Method: http.MethodGet, CutAfter: 700 * kib})
	got, failed := cat(t, m, path)
	right(t, a, id, size, got, failed)
	var sent int64
	for _, r := range a.Requests() {
		if r.Host == sim.Delivery {
			sent += r.Sent
		}
	}
	// What had arrived counts; what the cut lost on the way may come twice.
	if sent > size+512*kib {
		t.Errorf("%d bytes were sent for %d:\n%s", sent, size, requests(a, sim.Delivery))
	}
}

// What is read stays readable when the API and the delivery host are gone.
func TestOffline(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		const size = 3 * mib
		a := serve(t)
		id, path := addBlob(a, size)
		m := a.Mount(o)
		output(t, m.Command("ls", m.Path("predictions")))
		cat(t, m, path)
		m.Stop()
		a.Server.Close()
		m.Remount()
		got, failed := cat(t, m, path)
		right(t, a, id, size, got, failed)
		if failed {
			t.Error("what was read cannot be read offline")
		}
		if got, want := output(t, m.Command("ls", m.Path("predictions"))), id+"\n"; got != want {
			t.Errorf("offline there are %q, want %q", got, want)
		}
	})
}

// Outputs that Replicate deletes after the hour: what was read stays, and
// what was not is no longer listed, but named.
func TestExpiry(t *testing.T) {
	t.Parallel()
	a := serve(t)
	read, readPath := addBlob(a, 1000)
	lost, lostPath := addBlob(a, 1000)
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1s"}})
	cat(t, m, readPath)
	output(t, m.Command("stat", m.Path(lostPath)))
	m.Stop()
	a.Advance(2 * time.Hour)
	m.Remount()
	if got, failed := cat(t, m, readPath); failed {
		t.Error("what was read is gone")
	} else {
		right(t, a, read, 1000, got, failed)
	}
	fails(t, m, `cat "$M/`+lostPath+`"`)
	mounted.Until(t, "the loss is told", func() bool {
		return strings.Contains(sh(t, m, `ls "$M/predictions/`+lost+`"`), "expired.txt")
	})
	if got := sh(t, m, `cat "$M/predictions/`+lost+`/expired.txt"`); !strings.Contains(got, "output.bin") {
		t.Errorf("expired.txt does not name what is lost: %q", got)
	}
	if got := sh(t, m, `ls "$M/predictions/`+lost+`"`); strings.Contains(got, "output.bin") {
		t.Errorf("what is lost is listed: %q", got)
	}
}
