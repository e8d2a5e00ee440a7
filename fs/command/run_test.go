package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"replicatefs/api/sim"
)

const (
	painterModel = "black-forest-labs/flux-schnell"
	talkerModel  = "meta/meta-llama-3-8b-instruct"
)

// files are the names in a folder.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A run sends its input as the schema has it, saves what was made under names
// that are free, and leaves no draft.
func TestRun(t *testing.T) {
	s := account(t, sim.Options{Speed: sim.Instant})
	dir := filepath.Join(t.TempDir(), "pictures")
	for _, want := range [][]string{
		{"output-0.webp", "output-1.webp"},
		{"output-0-1.webp", "output-0.webp", "output-1-1.webp", "output-1.webp"},
	} {
		status, out, said := run(t, "run", "--output-dir", dir, painterModel, "prompt=a lion = a cat", "num_outputs=2")
		if status != 0 {
			t.Fatalf("status %d: %s", status, said)
		}
		if got := filesIn(t, dir); !slices.Equal(got, want) {
			t.Errorf("saved %v, want %v", got, want)
		}
		for _, file := range strings.Fields(out) {
			if st, err := os.Stat(file); err != nil || st.Size() < 1000 || st.Mode().Perm()&0o200 == 0 {
				t.Errorf("%s: %v, %v", file, st, err)
			}
		}
		if strings.Count(out, "\n") != 2 {
			t.Errorf("named %q", out)
		}
	}
	if n := s.Count("POST", "/v1/models/"+painterModel+"/predictions"); n != 2 {
		t.Errorf("%d requests for 2 runs", n)
	}
	_, out, _ := run(t, "ls", "predictions")
	_, input, _ := run(t, "cat", "predictions/"+strings.Fields(out)[0]+"/input.json")
	var got map[string]any
	if err := json.Unmarshal([]byte(input), &got); err != nil || got["prompt"] != "a lion = a cat" || got["num_outputs"] != 2.0 {
		t.Errorf("the input was %s", input)
	}
	if _, out, _ := run(t, "ls", "models/"+painterModel); strings.Contains(out, "run-") {
		t.Errorf("a draft is left: %q", out)
	}
}

// Text goes to the output; so does the prediction, if asked for.
func TestRunText(t *testing.T) {
	account(t, sim.Options{Speed: sim.Instant})
	t.Chdir(t.TempDir())
	status, out, said := runIn(t, "Say\nsomething\n", "run", talkerModel, "prompt=-")
	if status != 0 || len(out) < 10 || !strings.HasSuffix(out, "\n") {
		t.Fatalf("status %d: %q, %s", status, out, said)
	}
	if left := filesIn(t, "."); len(left) > 0 {
		t.Errorf("saved %v", left)
	}
	status, out, said = run(t, "run", "--json", talkerModel, "prompt=x")
	var p struct{ ID, Status string }
	if err := json.Unmarshal([]byte(out), &p); status != 0 || err != nil || p.ID == "" || p.Status != "succeeded" {
		t.Errorf("status %d: %v, %q, %s", status, err, out, said)
	}
}

// What cannot be meant, or is refused, runs nothing and says why.
func TestRunRefused(t *testing.T) {
	s := account(t, sim.Options{Speed: sim.Instant})
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   string
		status int
		says   string
	}{
		{"run", exitUsage, "a model"},
		{"run flux", exitUsage, "OWNER/NAME"},
		{"run " + painterModel + " lion", exitUsage, "FIELD=VALUE"},
		{"run " + painterModel + " image=@missing.png", exitUsage, "missing.png"},
		{"run " + painterModel + " prompt=- negative=-", exitUsage, "both"},
		{"run " + painterModel + " prompt=x num_outputs=99", exitFailed, "num_outputs"},
		{"run " + painterModel + " prompt=x num_outputs=many", exitFailed, "num_outputs"},
		{"run acme/nothing-at-all prompt=x", exitFailed, "acme/nothing-at-all"},
		{"run --output-dir file/below " + painterModel + " prompt=x", exitFailed, "file is no folder; nothing was sent"},
		{"run --token-file /dev/null " + painterModel + " prompt=x", exitToken, "empty"},
	} {
		status, out, said := run(t, strings.Fields(test.args)...)
		if status != test.status || !strings.Contains(said, test.says) || out != "" {
			t.Errorf("%s: status %d, %q, %q; want %d and %q", test.args, status, out, said, test.status, test.says)
		}
	}
	if n := s.Count("POST", "*"); n != 0 {
		t.Errorf("%d requests that could have run something", n)
	}
}

// An answer that is lost after the run was started starts no second one.
func TestRunLostAnswer(t *testing.T) {
	s := account(t, sim.Options{Speed: sim.Instant})
	s.Inject(sim.Fault{Method: "POST", Path: "*", Reset: true, Late: true})
	status, out, said := run(t, "run", "--output-dir", t.TempDir(), painterModel, "prompt=a lion")
	if status != 0 || strings.Count(out, "\n") != 1 {
		t.Errorf("status %d: %q, %s", status, out, said)
	}
	if _, out, _ := run(t, "ls", "predictions"); strings.Count(out, "\n") != 1 {
		t.Errorf("the account has the predictions %q", out)
	}
}

// A file becomes what the field is: a file, or its text.
func TestRunFile(t *testing.T) {
	account(t, sim.Options{Speed: sim.Instant})
	dir := t.TempDir()
	for name, content := range map[string]string{"p.txt": "a lion\n", "all.json": `{"num_outputs": 2}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	status, out, said := run(t, "run", "--output-dir", dir, painterModel, "prompt=@"+filepath.Join(dir, "p.txt"), "input=@"+filepath.Join(dir, "all.json"))
	if status != 0 || strings.Count(out, "\n") != 2 {
		t.Errorf("status %d: %q, %s", status, out, said)
	}
	_, ids, _ := run(t, "ls", "predictions")
	if _, prompt, _ := run(t, "cat", "predictions/"+strings.TrimSpace(ids)+"/prompt.txt"); prompt != "a lion\n" {
		t.Errorf("the prompt was %q", prompt)
	}
}

// A run that was paid for is named where it is when the command fails.
func TestRunNamed(t *testing.T) {
	account(t, sim.Options{Speed: sim.Instant})
	status, _, said := run(t, "run", "acme/broken", "prompt=a lion")
	if status != exitFailed || !strings.Contains(said, "ended as failed: ") || strings.Contains(said, ": \n") {
		t.Errorf("a run that fails: status %d, %q", status, said)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(gone, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(gone)
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	status, _, said = run(t, "run", painterModel, "prompt=a lion")
	_, ids, _ := run(t, "ls", "predictions")
	id := said[strings.LastIndexByte(strings.TrimSpace(said), '/')+1:]
	if status != exitFailed || !strings.Contains(said, "went well") || !strings.Contains(ids, strings.TrimSpace(id)+"\n") {
		t.Errorf("outputs that cannot be saved: status %d, %q; the account has %q", status, said, ids)
	}
}
