package command

import (
	"context"
	"strings"
	"testing"
)

// Calls of mount(8) become calls of the mount command.
func TestByMount(t *testing.T) {
	for _, test := range []struct {
		args   string
		want   string // the command line that -v shows
		status int
		says   string
	}{
		{"mount.replicatefs ann /mnt", "--source=ann -- /mnt", 0, ""},
		{"/sbin/mount.fuse.replicatefs ann /mnt -n -s -o rw,nodev,_netdev,nofail,x-systemd.automount,user=ann", "--source=ann -- /mnt", 0, ""},
		{"mount.replicatefs replicate /mnt -o ro,allow_other,uid=1000,umask=0027,cache-size=1GiB", "--source=replicate --read-only --allow-other --uid=1000 --umask=0027 --cache-size=1GiB -- /mnt", 0, ""},
		{"mount.replicatefs https://a.example/v1 /mnt -o token_file=/etc/token -t fuse.replicatefs -N /proc/1/ns/mnt", "--source=https://a.example/v1 --base-url=https://a.example/v1 --token-file=/etc/token -- /mnt", 0, ""},
		{"mount.replicatefs ann /mnt -o output_host=a,output_host=b,read_only=false", "--source=ann --output-host=a --output-host=b --read-only=false -- /mnt", 0, ""},
		{"mount.replicatefs ann /mnt -so bogus", "--source=ann -- /mnt", 0, ""},
		{"mount.replicatefs ann /mnt -o bogus", "", mountUsage, "no option bogus"},
		{"mount.replicatefs ann /mnt -o token=r8_x", "", mountUsage, "token_file=FILE"},
		{"mount.replicatefs ann /mnt -o wait", "", mountUsage, "wait needs a value"},
		{"mount.replicatefs ann /mnt -o remount,ro", "", mountUsage, "mount it again"},
		{"mount.replicatefs ann /mnt -q", "", mountUsage, "no flag -q"},
		{"mount.replicatefs ann /mnt -o", "", mountUsage, "needs a value"},
		{"mount.replicatefs /mnt", "", mountUsage, "replicatefs mount DIR"},
	} {
		args := append(strings.Fields(test.args), "-v", "-f")
		if strings.HasSuffix(test.args, "-o") {
			args = args[:len(args)-2]
		}
		var out, said strings.Builder
		status := Run(context.Background(), args, strings.NewReader(""), &out, &said)
		want := ""
		if test.want != "" {
			want = "replicatefs mount --daemon " + test.want + "\n"
		}
		if status != test.status || out.String() != want || !strings.Contains(said.String(), test.says) || strings.Contains(said.String(), "r8_x") {
			t.Errorf("%s: status %d, %q, %q\nwant %d, %q, %q", test.args, status, out.String(), said.String(), test.status, want, test.says)
		}
	}
	if !byMount([]string{"replicatefs", "ann", "/mnt", "-o", "rw"}) { // as mount.fuse3 does
		t.Error("a call of mount.fuse3 was not taken for one")
	}
	if byMount([]string{"replicatefs", "ls", "dir", "-o", "x"}) {
		t.Error("a command was taken for a call of mount(8)")
	}
}

func TestCheckSource(t *testing.T) {
	for source, right := range map[string]bool{"": true, "replicate": true, "none": true, "ann": true, "https://a.example/v1": true, "bob": false} {
		if err := checkSource(source, "ann"); (err == nil) != right {
			t.Errorf("source %q for ann: %v", source, err)
		}
	}
}
