package fs

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"replicatefs/api"
)

// A layout is what plan says of a finished prediction without its content:
// names and kinds. Most predictions share theirs with many others, so the
// catalog holds it in memory, and walking over an account reads nothing.
//
// As text it is lines: layoutForm, then each origin of URLs that plan asked
// about, with + if it was an output host and - if not, then each name behind
// the digit of its kind. A mount with other output hosts, or a program with
// another plan, finds that the text does not hold, and plans anew.

// plan is the layout of a prediction's folder on this mount.
func (f *FS) plan(p *api.Prediction) []item { return withNotice(p, plan(p, f.content.Allowed)) }

// withNotice adds expired.txt to what is left of a prediction that was deleted
// before this mount saw it.
func withNotice(p *api.Prediction, items []item) []item {
	if p.DataRemoved {
		items = append(items, item{name: expiredName, kind: notice})
	}
	return items
}

// layoutForm changes with what plan makes of a prediction.
const layoutForm = "1"

// maxLayout is the longest text, in bytes: what is rare and long is planned
// each time.
const maxLayout = 1 << 10

// layoutOf is the layout of a prediction as text, or "" where it may still
// change or is too long.
func (f *FS) layoutOf(p *api.Prediction) string {
	if !p.Done() {
		return ""
	}
	asked := map[string]bool{}
	items := plan(p, func(text string) bool {
		ok := f.content.Allowed(text)
		if at := origin(text); at != "" {
			asked[at] = ok
		}
		return ok
	})
	lines := []string{layoutForm}
	for _, at := range slices.Sorted(maps.Keys(asked)) {
		lines = append(lines, map[bool]string{true: "+", false: "-"}[asked[at]]+at)
	}
	for _, it := range withNotice(p, items) {
		lines = append(lines, string('0'+byte(it.kind))+it.name)
	}
	text := strings.Join(lines, "\n")
	if len(text) > maxLayout {
		return ""
	}
	return text
}

// layout is the items of a layout, sorted by name; nil if it does not hold here.
func (f *FS) layout(text string) *items {
	if text == "" {
		return nil
	}
	if known, ok := f.layouts.Load(text); ok {
		return known.(*items)
	}
	var known *items
	if all := f.parseLayout(text); all != nil {
		known = newItems(all)
	}
	f.layouts.Store(text, known) // the catalog bounds how many there are
	return known
}

func (f *FS) parseLayout(text string) []item {
	form, rest, _ := strings.Cut(text, "\n")
	if form != layoutForm {
		return nil
	}
	var items []item
	for line := range strings.SplitSeq(rest, "\n") {
		switch {
		case line == "":
			return nil
		case line[0] == '+' || line[0] == '-':
			if f.content.Allowed(line[1:]) != (line[0] == '+') {
				return nil
			}
		default:
			it := item{name: line[1:], kind: kind(line[0]) - '0'}
			if safe(it.name) != it.name || it.kind < rendered || it.kind > notice {
				return nil
			}
			items = append(items, it)
		}
	}
	byName := func(a, b item) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(items, byName)
	if len(slices.CompactFunc(slices.Clone(items), func(a, b item) bool { return byName(a, b) == 0 })) < len(items) {
		return nil
	}
	return items
}

// origin is what decides whether a URL is on an output host, or "" for a text
// that is no URL to any mount.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/"
}
