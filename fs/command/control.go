package command

import (
	"context"
	"encoding/json"
	"errors"
	iofs "io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"replicatefs/cache"
	"replicatefs/fs"
)

// Commands such as status and wait talk to a running mount over a socket that
// belongs to the one who mounted: HTTP and JSON, because both ends are in the
// standard library and curl --unix-socket speaks it too. Where the socket is,
// says the register (control_register.go); which mount a path belongs to, is
// found without touching the mount (control_path.go), which may hang.

// A control answers commands for one mount.
type control struct {
	tree     *fs.FS
	post     post
	register *register
	server   *http.Server
	stop     context.CancelFunc // ends what commands have under way
	served   chan struct{}      // closed when the server has ended
	log      *slog.Logger
}

// openControl makes a mount reachable. The mount works without it.
func openControl(tree *fs.FS, p post, log *slog.Logger) (*control, error) {
	r, listener, err := enter(&p)
	if err != nil {
		return nil, err
	}
	c := &control{tree: tree, post: p, register: r, served: make(chan struct{}), log: log}
	working, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.server = &http.Server{Handler: c.routes(), BaseContext: func(net.Listener) context.Context { return working }, ReadHeaderTimeout: controlLimit, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	go func() {
		defer close(c.served)
		if err := c.server.Serve(peers{listener, log}); !errors.Is(err, http.ErrServerClosed) {
			log.Error("commands cannot reach the mount any more", "err", err)
		}
	}()
	return c, nil
}

// close takes the mount out of the register. Commands that wait for an answer
// are told that the mount has ended.
func (c *control) close() error {
	c.register.leave()
	c.stop()
	ctx, cancel := context.WithTimeout(context.Background(), controlLimit)
	defer cancel()
	err := c.server.Shutdown(ctx)
	c.server.Close()
	<-c.served
	return err
}

// peers lets in who mounted, and root. The folder of the socket does so too;
// this holds where somebody has opened that folder.
type peers struct {
	net.Listener
	log *slog.Logger
}

func (l peers) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, err := peer(conn)
		if err == nil && (uid == os.Geteuid() || uid == 0) {
			return conn, nil
		}
		l.log.Warn("another user tried to reach the mount", "uid", uid, "err", err)
		conn.Close()
	}
}

// routes are what a command can ask. What takes long answers line by line, so
// that the command sees how far it is; its end ends the work.
func (c *control) routes() http.Handler {
	mux := http.NewServeMux()
	once := func(route string, f func(ctx context.Context, path string) (any, error)) {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			result, err := f(r.Context(), r.URL.Query().Get("path"))
			answer(w, result, err)
		})
	}
	long := func(route string, f func(r *http.Request, progress func(any)) (any, error)) {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			lines := newLines(w)
			result, err := f(r, lines.progress)
			lines.end(result, err)
		})
	}
	once("GET /status", func(context.Context, string) (any, error) { return c.tree.Stats(), nil })
	once("GET /urls", func(ctx context.Context, path string) (any, error) { return c.tree.URLs(ctx, path) })
	once("POST /wait", func(ctx context.Context, path string) (any, error) { return c.tree.WaitFor(ctx, path) })
	once("POST /cache/forget", func(ctx context.Context, path string) (any, error) { return nil, c.tree.Forget(ctx, path) })
	once("POST /cache/clear", func(ctx context.Context, _ string) (any, error) { return c.tree.ClearCache(ctx) })
	once("POST /cache/settle", func(ctx context.Context, _ string) (any, error) { return nil, c.tree.SettleCache(ctx) })
	once("POST /cache/prune", func(ctx context.Context, _ string) (any, error) { return c.tree.PruneCache(ctx) })
	long("POST /cache/verify", func(r *http.Request, progress func(any)) (any, error) {
		return c.tree.VerifyCache(r.Context(), func(rep cache.Report) { progress(rep) })
	})
	long("POST /fetch", func(r *http.Request, progress func(any)) (any, error) {
		bring := c.tree.Fetch
		if r.URL.Query().Get("keep") != "" {
			bring = c.tree.Keep
		}
		var last fs.Progress
		err := bring(r.Context(), r.URL.Query().Get("path"), func(p fs.Progress) { last = p; progress(p) })
		return last, err
	})
	return mux
}

// A reply is what the mount says to a command: on a line of its own, as often
// as there is progress, and at the end either a result or an error.
type reply struct {
	Progress json.RawMessage `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
	Kind     string          `json:"kind,omitempty"` // of the error, where the command makes a difference
}

// kinds are those errors.
var kinds = map[string]error{"not there": iofs.ErrNotExist, "no run": fs.ErrNoRun, "full": cache.ErrFull}

func newReply(result any, err error) reply {
	var r reply
	if err == nil {
		if r.Result, err = json.Marshal(result); err == nil {
			return r
		}
	}
	r.Error = err.Error()
	if errors.Is(err, context.Canceled) { // the command has gone, or else
		r.Error = "the mount has ended"
	}
	for kind, is := range kinds {
		if errors.Is(err, is) {
			r.Kind = kind
		}
	}
	return r
}

func answer(w http.ResponseWriter, result any, err error) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(newReply(result, err))
}

// lines writes replies as they come.
type lines struct {
	w    http.ResponseWriter
	last time.Time
}

func newLines(w http.ResponseWriter) *lines {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &lines{w: w}
}

// progressPause is the time between two lines of progress: a bar needs no more.
const progressPause = 50 * time.Millisecond

func (l *lines) progress(v any) {
	now := time.Now()
	if now.Sub(l.last) < progressPause {
		return
	}
	l.last = now
	raw, err := json.Marshal(v)
	if err != nil {
		return
	}
	json.NewEncoder(l.w).Encode(reply{Progress: raw})
	http.NewResponseController(l.w).Flush()
}

func (l *lines) end(result any, err error) { json.NewEncoder(l.w).Encode(newReply(result, err)) }
