package mounted_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// mount(8) mounts an account: by its helper's name, by the one of FUSE, and by
// lines of fstab, for root and for an ordinary user. All of it happens in a
// mount namespace, in which the machine's own fstab and helpers are hidden.
func TestFstab(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may make a mount namespace")
	}
	mounted.NeedFUSE(t, true)
	mounted.Need(t, "apt install util-linux", "unshare")
	a := mounted.Serve(t, sim.Options{Account: "ann"})
	_, path := addBlob(a, 10_000)
	m := place(t, a, mounted.Options{})
	for name, content := range map[string]string{"token": sim.DemoToken, "wrong": "r8_wrong"} {
		if err := os.WriteFile(filepath.Join(m.Work, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	options := "token_file=$PWD/token,base_url=" + m.Server.BaseURL() + ",output_host=" + m.Server.OutputHost() + ",cache_dir=" + m.Data
	script := letGo + `
		P=` + mounted.Program(t) + `; O=` + options + `
		mkdir real sbin bin a b c d
		mount --bind /usr/sbin real
		ln -s "$PWD"/real/* sbin/
		trap 'umount -l a b c d 2>/dev/null || true' EXIT
		mount --bind sbin /usr/sbin
		cp "$P" bin/replicatefs

		look() { test "$(stat -c %s "$1/` + path + `")" = 10000; findmnt -n -o FSTYPE,SOURCE "$1"; }
		fails() { if "$@" > said 2>&1; then echo "$* succeeded"; exit 1; else echo "status $?: $(cat said)"; fi; }

		echo "== without a helper of ours, FUSE's finds the program"
		ln -s "$PWD/bin/replicatefs" sbin/
		mount -t fuse.replicatefs ann a -o $O
		look a; umount a

		ln -s "$PWD/bin/replicatefs" sbin/mount.replicatefs
		echo "== by its name"
		mount -t replicatefs ann a -o $O,ro; look a
		(echo x > a/models/acme/puppet/prompt.txt) 2>&1 && exit 1
		echo "== mounted already"
		fails mount -t replicatefs ann a -o $O
		umount a
		echo "== mistakes"
		fails mount -t replicatefs bob a -o $O
		fails mount -t replicatefs ann a -o $O,bogus
		fails mount -t replicatefs ann a -o $O,token_file=$PWD/wrong
		fails mount -t replicatefs ann missing -o $O

		echo "== by fstab"
		chown nobody c; chmod 0711 .
		install -m 0600 -o nobody token nobodys
		cat > fstab <<END
ann       $PWD/b replicatefs      $O,noauto,_netdev,nofail,x-systemd.automount 0 0
replicate $PWD/c fuse.replicatefs user,noauto,$O-user,token_file=$PWD/nobodys 0 0
END
		mount --fstab fstab "$PWD/b"; look b; umount b
		install -d -o nobody ` + m.Data + `-user
		mount --bind fstab /etc/fstab
		ln -s "$PWD/bin/replicatefs" sbin/mount.fuse.replicatefs
		env -u HOME mount b; look b; umount b
		setpriv --reuid=65534 --regid=65534 --clear-groups mount c
		setpriv --reuid=65534 --regid=65534 --clear-groups ls c
		setpriv --reuid=65534 --regid=65534 --clear-groups "$P" unmount c
		fails mountpoint -q c
		echo done`
	out, err := m.Command("unshare", "-m", "--propagation", "private", "bash", "-euc", script).CombinedOutput()
	said := string(out)
	if err != nil || !strings.HasSuffix(said, "done\n") {
		t.Fatalf("%v:\n%s", err, said)
	}
	t.Log(said)
	for _, want := range []string{
		"fuse.replicatefs ann", "already mounted", "status 32: replicatefs: bob is to be mounted", "mount.replicatefs: there is no option bogus",
		"status 32: replicatefs: no usable token", "predictions",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing was said of %q:\n%s", want, said)
		}
	}
}

// systemd is told when the folder is there, and when it goes.
func TestNotify(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	socket.SetReadDeadline(time.Now().Add(mounted.Patience))
	next := func() string {
		b := make([]byte, 100)
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	m := serve(t).Mount(mounted.Options{Env: []string{"NOTIFY_SOCKET=" + filepath.Join(dir, "s")}})
	if got := next(); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	if _, err := m.Command("stat", m.Path("account.json")).Output(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	m.Stop()
	if got := next(); got != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
}
