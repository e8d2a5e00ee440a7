package api

import (
	"context"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Retry says how calls are repeated. Zero fields mean what their comments say.
type Retry struct {
	Tries    int           // attempts of one call, those refused by 429 not counted; 5
	First    time.Duration // pause after the first attempt, doubling; 250 ms
	Most     time.Duration // longest pause of our own choosing; 8 s
	Throttle time.Duration // longest total wait where 429 says to wait; 2 min
}

func (r Retry) filled() Retry {
	if r.Tries <= 0 {
		r.Tries = 5
	}
	if r.First <= 0 {
		r.First = 250 * time.Millisecond
	}
	if r.Most <= 0 {
		r.Most = 8 * time.Second
	}
	if r.Throttle <= 0 {
		r.Throttle = 2 * time.Minute
	}
	return r
}

// backoff is the pause after attempt n, between half and the whole of a value
// that doubles: many mounts must not come back in step.
func (r Retry) backoff(n int) time.Duration {
	d := r.Most
	if n < 20 { // beyond, the shift could overflow
		d = min(d, r.First<<(n-1))
	}
	return d/2 + rand.N(d/2+1)
}

// throttled is the pause after a 429. What is told is rounded down by the server
// as often as up, and several calls may be told the same: add a little.
func (r Retry) throttled(n int, told time.Duration) time.Duration {
	if told <= 0 {
		return max(time.Second, r.backoff(n+2))
	}
	return told + 50*time.Millisecond + rand.N(told/10+1)
}

// "Your rate limit resets in ~30s." and, very old, "Expected available in 1 second."
var resets = regexp.MustCompile(`(?:~|\bin )(\d{1,6}(?:\.\d{1,9})?) ?s(?:ec|\b)`)

// retryAfter is what the server told about waiting, by the first of: the header
// in seconds or as a date, the field of the body, the text. 0 means nothing.
func retryAfter(h http.Header, field float64, detail string) time.Duration {
	if v := h.Get("Retry-After"); v != "" {
		if s, err := strconv.ParseFloat(v, 64); err == nil {
			return seconds(s)
		}
		if at, err := http.ParseTime(v); err == nil {
			// Against the server's own clock where it tells it; ours may be wrong.
			now, err := http.ParseTime(h.Get("Date"))
			if err != nil {
				now = time.Now()
			}
			return seconds(at.Sub(now).Seconds())
		}
	}
	if field > 0 {
		return seconds(field)
	}
	if m := resets.FindStringSubmatch(detail); m != nil {
		if s, err := strconv.ParseFloat(m[1], 64); err == nil {
			return seconds(s)
		}
	}
	return 0
}

// seconds bounds what servers tell to a day; callers bound it further.
func seconds(s float64) time.Duration {
	if !(s > 0) { // NaN too
		return 0
	}
	return time.Duration(min(s, 86400) * float64(time.Second))
}

// sleep waits for d or the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
