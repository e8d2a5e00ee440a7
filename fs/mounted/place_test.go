package mounted_test

import (
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// servePast is an account with a past, which has trainings too.
func servePast(t *testing.T) *mounted.Account {
	return mounted.Serve(t, sim.Options{Past: 20, Limits: sim.Limits{Create: -1, Other: -1}})
}

// What looking around costs in the places that are not predictions: one
// request for a folder, none for an entry, and none again.
func TestEconomyOfPlaces(t *testing.T) {
	rows := []struct {
		what, script string
		want         cost
	}{
		{"ls of the root", `ls -l "$M"`, cost{}},
		{"ls of trainings", `ls -l "$M/trainings"; ls "$M"/trainings/*`, cost{api: 1}},
		{"find by type in trainings", `find "$M/trainings" -type f`, cost{}},
		// Their logs were in no list.
		{"reading them", `cat "$M"/trainings/*/{status,logs.txt,prediction.json}`, cost{api: 2}},
		{"reading them again", `cat "$M"/trainings/*/{status,logs.txt,prediction.json}`, cost{}},
		{"stat of the weights", `stat "$M"/trainings/*/output-weights.tar`, cost{head: 2}},
		{"the beginning of weights", `for f in "$M"/trainings/*/output-weights.tar; do head -c 1000 "$f" > got; done`, cost{get: 2}},
		{"ls of collections", `ls -l "$M/collections"`, cost{api: 1}},
		{"ls of a collection", `ls -l "$M/collections/official"`, cost{api: 1}},
		{"following its links", `ls -L "$M/collections/official"; ls -l "$M"/collections/official/*/prompt.txt`, cost{}},
		{"collections again", `ls -l "$M/collections" "$M/collections/official"`, cost{}},
		{"stat of a search", `stat "$M/search/flux" "$M/search/no such thing"`, cost{}},
		{"a search", `ls -l "$M/search/flux"; ls -lL "$M/search/flux"`, cost{api: 1}},
		{"the search again", `ls "$M/search/flux"; ls "$M/search"`, cost{}},
		{"ls of files", `ls -l "$M/files"`, cost{api: 1}},
		{"cp into it", `echo x > x.txt; cp x.txt "$M/files/"`, cost{api: 1}},
		{"what is there then", `ls -l "$M/files"; cat "$M/files/x.txt"; test ! -e "$M/files/y.txt"`, cost{}},
		{"names that nobody has", `for d in trainings files collections collections/official search search/flux; do
			for n in .git .Trash-1000 .hidden .directory .DS_Store autorun.inf desktop.ini Thumbs.db HEAD index.html package.json; do
				test ! -e "$M/$d/$n"; done; done; test ! -e "$M/collections/nothing"; test -z "$(ls "$M"/search/*.png 2>/dev/null)"`, cost{}},
		{"an example", `ls "$M/` + painter + `/example"; cat "$M/` + painter + `/example/prompt.txt" "$M/` + painter + `/example/logs.txt"`, cost{}},
		{"its picture", `cat "$M/` + painter + `/example/output-0.webp" > got`, cost{head: 1, get: 1}},
	}
	each(t, func(t *testing.T, o mounted.Options) {
		a := servePast(t)
		o.Flags = quiet
		m := a.Mount(o)
		settle(t, m, 20)
		again := repeats()
		for _, row := range rows {
			a.ResetRequests()
			output(t, m.Command("bash", "-euc", row.script))
			if got := spent(a); !got.is(row.want, again(t, m)) {
				t.Errorf("%s costs %v, want %v\n%s%s", row.what, got, row.want, requests(a, sim.API), requests(a, sim.Delivery))
			}
		}
		if got := sh(t, m, `ls "$M/models"`); !has(got, "ostris") || !has(got, "demo") {
			t.Errorf("models has %q, want what was trained and what came of it, too", got)
		}
	})
}

// A training is followed as a prediction is, and ended as one.
func TestTrainingUnderWay(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		id := a.Add(sim.Prediction{Training: true, Model: "acme/trainer", Status: sim.Processing, Logs: "step 1\n"})
		m := a.Mount(o)
		dir := "trainings/" + id
		mounted.Until(t, "it is listed", func() bool { return has(sh(t, m, `ls "$M/trainings"`), id) })
		if got := sh(t, m, `ls "$M/trainings"; cat "$M/`+dir+`/logs.txt" "$M/`+dir+`/status"`); got != id+"\nstep 1\nprocessing\n" {
			t.Errorf("a training under way says %q", got)
		}
		a.Set(id, func(p *sim.Prediction) { p.Logs += "step 2\n" })
		if got := sh(t, m, `timeout 300 tail -n +1 -f "$M/`+dir+`/logs.txt" | head -n 2`); got != "step 1\nstep 2\n" {
			t.Errorf("tail -f shows %q", got)
		}
		sh(t, m, `echo x | tee "$M/`+dir+`/cancel"`)
		if got := sh(t, m, `cat "$M/`+dir+`/status"; ls "$M/`+dir+`"`); !strings.HasPrefix(got, "canceled\n") || has(got, "cancel") {
			t.Errorf("after cancel: %q", got)
		}
		if p, _ := a.Prediction(id); p.Status != sim.Canceled {
			t.Errorf("the training is %s at Replicate", p.Status)
		}
		if got := fails(t, m, `echo x | tee "$M/`+dir+`/status"`); !strings.Contains(got, "Permission denied") && !strings.Contains(got, "Read-only") {
			t.Errorf("writing to its status: %s", got)
		}
	})
}

// Files are uploaded by whatever copies them, deleted by rm, and read back
// here; what is not complete is never uploaded.
func TestFiles(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		mounted.Need(t, "apt install rsync", "rsync")
		a := serve(t)
		m := a.Mount(o)
		uploads := func() int { return a.Count("POST", "/v1/files") }
		sh(t, m, `head -c 3000000 /dev/urandom > photo.jpg; cp photo.jpg "$M/files/"; cmp photo.jpg "$M/files/photo.jpg"; stat -c '%n %s' "$M/files/photo.jpg"`)
		if got := sh(t, m, `stat -c '%s %A' "$M/files/photo.jpg"; ls "$M/files"`); got != "3000000 -rw-r--r--\nphoto.jpg\n" {
			t.Errorf("what was copied in is %q", got)
		}
		sh(t, m, `cat photo.jpg > "$M/files/b.jpg"; rsync -a --inplace photo.jpg "$M/files/c.jpg"; rsync -a photo.jpg "$M/files/d.jpg"; cp -p photo.jpg "$M/files/e.jpg"; mv photo.jpg "$M/files/f.jpg"; install -m 600 "$M/files/f.jpg" "$M/files/g.jpg"`)
		if got := sh(t, m, `cd "$M/files"; ls; for f in *; do cmp photo.jpg $f; done`); got != "b.jpg\nc.jpg\nd.jpg\ne.jpg\nf.jpg\ng.jpg\nphoto.jpg\n" {
			t.Errorf("after seven ways to copy there is %q", got)
		}
		if n := uploads(); n != 7 {
			t.Errorf("%d uploads, want 7\n%s", n, requests(a, sim.API))
		}
		sh(t, m, `cd "$M/files"; rm b.jpg c.jpg d.jpg e.jpg f.jpg g.jpg; echo one > x.txt; echo two > x.txt; echo three >> x.txt`)
		if got := sh(t, m, `cd "$M/files"; ls; cat x.txt`); got != "photo.jpg\nx.txt\ntwo\nthree\n" {
			t.Errorf("after writing over: %q", got)
		}
		before := uploads()
		// A program that is killed, one that asks for too much, one that only touches.
		for _, signal := range []string{"KILL", "TERM"} {
			sh(t, m, `rm -f p; mkfifo p; exec 4<>p; dd if=p of="$M/files/killed.bin" bs=4096 2>/dev/null & head -c 400000 /dev/zero >&4
				until test "$(stat -c %s "$M/files/killed.bin" 2>/dev/null || echo 0)" -gt 300000; do :; done
				kill -`+signal+` $!; wait || true`)
		}
		if said := fails(t, m, `truncate -s 101M big.bin; cp --sparse=never big.bin "$M/files/"`); !strings.Contains(said, "File too large") {
			t.Errorf("101 MB: %s", said)
		}
		sh(t, m, `touch "$M/files/touched"; : > "$M/files/empty"; cp /dev/null "$M/files/null"`)
		if n := uploads() - before; n != 0 {
			t.Errorf("%d uploads of what was not complete\n%s", n, requests(a, sim.API))
		}
		mounted.Until(t, "what is not complete is gone", func() bool {
			names := sh(t, m, `ls "$M/files"`)
			return !has(names, "big.bin") && !has(names, "killed.bin")
		})
		if got := sh(t, m, `cat "$M/files/error.txt"; ls "$M/files"`); !strings.Contains(got, "big.bin was not uploaded") {
			t.Errorf("files/ says %q", got)
		}
		fails(t, m, `mkdir "$M/files/folder"`)
		inventory := sh(t, m, `cd "$M/files"; rm -f error.txt || true; stat -c '%n %i %s %Y' *.jpg x.txt`)
		m.Remount()
		if got := sh(t, m, `cd "$M/files"; stat -c '%n %i %s %Y' *.jpg x.txt; cat x.txt`); got != inventory+"two\nthree\n" {
			t.Errorf("after a remount: %q, was %q", got, inventory)
		}
		m.Remount("--read-only")
		if said := fails(t, m, `cp /etc/hostname "$M/files/"`); !strings.Contains(said, "Read-only") && !strings.Contains(said, "Permission denied") {
			t.Errorf("read-only: %s", said)
		}
	})
}

// With --xattr, files say what they are, the same after a remount, and backups
// that keep attributes find nothing changed. Without it there are none.
func TestAttributes(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		mounted.Need(t, "apt install attr", "getfattr")
		mounted.Need(t, "apt install rsync", "rsync")
		mounted.Need(t, "apt install restic", "restic")
		a := serveShapes(t)
		m := a.Mount(o)
		const look = `cd "$M"; getfattr -d -m - -R predictions README.md models 2>&1 || true`
		if got := sh(t, m, look); strings.Contains(got, "replicate.id") {
			t.Errorf("without the flag there are attributes:\n%.500s", got)
		}
		m.Remount(append(o.Flags, "--xattr")...)
		one := "predictions/" + shapeID("onefile")
		if got := sh(t, m, `cd "$M/`+one+`"; getfattr --only-values -n user.replicate.id output.png; echo; getfattr --only-values -n user.replicate.status .; echo; getfattr --only-values -n user.replicate.content-type output.png`); got != shapeID("onefile")+"\nsucceeded\nimage/png" {
			t.Errorf("an output has the attributes %q", got)
		}
		fails(t, m, `getfattr -n user.xdg.tags "$M/`+one+`/output.png"`)
		fails(t, m, `setfattr -n user.mine -v 1 "$M/`+one+`/output.png"`)
		before := sh(t, m, look)
		if !strings.Contains(before, `user.replicate.model="acme/puppet"`) {
			t.Errorf("getfattr shows\n%.1000s", before)
		}
		sh(t, m, `ls -lR "$M/predictions" > list; cp -a "$M/`+one+`" copy; cmp copy/output.png "$M/`+one+`/output.png"; rsync -aX --chmod=u+w "$M/predictions/" mirror
			export RESTIC_PASSWORD=x RESTIC_REPOSITORY="$PWD/repo"; restic init -q; cd "$M"; restic backup -q predictions`)
		m.Remount()
		if after := sh(t, m, look); after != before {
			t.Errorf("after a remount, attributes differ:\n%s", difference(before, after))
		}
		a.ResetRequests()
		if got := sh(t, m, `rsync -aXni --chmod=u+w "$M/predictions/" mirror`); got != "" {
			t.Errorf("a second rsync would copy:\n%s", got)
		}
		if got := sh(t, m, `export RESTIC_PASSWORD=x RESTIC_REPOSITORY="$PWD/repo"; cd "$M"; restic backup predictions`); !strings.Contains(got, "0 new,     0 changed") {
			t.Errorf("a second backup says\n%s", got)
		}
		if got := spent(a); got.get+got.head > 0 {
			t.Errorf("the second time costs %v", got)
		}
	})
}

// The mount tells about itself: how it is set up, without secrets, and its log,
// which can be followed.
func TestOwnFolder(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		m := a.Mount(o)
		ready(t, m) // else the log has more to say
		if got := sh(t, m, `ls -A "$M"; ls "$M/.replicatefs"`); !has(got, "config.json") || !has(got, "log") || has(got, ".replicatefs") {
			t.Errorf("the mount tells of itself in\n%s", got)
		}
		if got := sh(t, m, `cat "$M/.replicatefs/config.json" "$M/.replicatefs/log"`); strings.Contains(got, sim.DemoToken) || !strings.Contains(got, "output-host") {
			t.Errorf("the configuration is\n%s", got)
		}
		got := sh(t, m, `timeout 300 tail -n 0 -f "$M/.replicatefs/log" > followed & echo x | tee "$M/files/x.txt"
			until grep -q uploaded followed; do echo x | tee "$M/files/x.txt"; done; kill $!; head -n 1 followed`)
		if !strings.Contains(got, "msg=uploaded") {
			t.Errorf("tail -f shows %q", got)
		}
	})
}
