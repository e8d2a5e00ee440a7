package command

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"net"
	"os"
	"strings"
	"time"

	"replicatefs/api"
)

// What the doctor looks at beyond this machine.

const getToken = "get one at https://replicate.com/account/api-tokens, then: replicatefs login"

// token looks whether there is one, and whether it is kept well.
func (d *doctor) token(context.Context) []finding {
	source, err := tokenFrom(d.cli)
	if err == nil {
		_, err = source()
	}
	if err != nil {
		says, _, _ := strings.Cut(err.Error(), "\n")
		return one(broken, says, getToken)
	}
	d.cfg.api.TokenSource = source
	if d.client, err = api.New(d.cfg.api); err != nil {
		return one(broken, err.Error(), "")
	}
	file := d.cli.String("token-file")
	switch {
	case file == "" && envToken() != "", origins(d.cli)["token-file"] != "" && envToken() != "":
		return one(healthy, "from REPLICATE_API_TOKEN", "")
	case file == "":
		if file, err = storedToken(d.cli.String("base-url")); err != nil {
			return one(broken, err.Error(), "")
		}
	}
	if st, err := os.Stat(file); err == nil && st.Mode().Perm()&0o077 != 0 {
		return one(doubt, fmt.Sprintf("from %s, which others may read (%v)", file, st.Mode().Perm()), "chmod 600 "+file)
	}
	return one(healthy, "from "+file, "")
}

func (d *doctor) api(ctx context.Context) []finding {
	if d.client == nil {
		return one(doubt, "not asked, without a token", "")
	}
	asked := time.Now()
	account, err := d.client.Account(ctx)
	switch {
	case refused(err):
		return one(broken, err.Error(), getToken)
	case err != nil:
		return one(broken, err.Error(), "look at the network, at proxies (HTTPS_PROXY) and at https://www.replicatestatus.com")
	}
	return one(healthy, fmt.Sprintf("%s is %s, answered in %v", d.client.Base(), account.Username, time.Since(asked).Round(time.Millisecond)), "")
}

// maxSkew is how far clocks may be apart: by ours it is told how long files of
// Replicate's still are there.
const maxSkew = 30 * time.Second

func (d *doctor) clock(ctx context.Context) []finding {
	if d.client == nil {
		return nil
	}
	ahead, err := d.client.Clock(ctx)
	switch {
	case err != nil:
		return one(doubt, "not compared: "+err.Error(), "")
	case ahead.Abs() > maxSkew:
		return one(broken, fmt.Sprintf("this machine's clock is %v ahead of Replicate's (behind, if negative)", ahead), "set it, best by NTP: timedatectl set-ntp true")
	}
	return one(healthy, fmt.Sprintf("within %v of Replicate's", max(ahead.Abs(), time.Second)), "")
}

// delivery is where Replicate has outputs; another API may have them elsewhere.
const delivery = "replicate.delivery"

// outputs asks each host that outputs come from for anything at all.
func (d *doctor) outputs(ctx context.Context) []finding {
	content, err := api.NewContent(d.cfg.content)
	if err != nil {
		return one(broken, err.Error(), "")
	}
	defer content.Close()
	var found []finding
	hosts := d.cfg.content.Hosts
	if len(hosts) == 0 || d.cfg.api.BaseURL == api.DefaultBaseURL {
		hosts = append([]string{delivery}, hosts...)
	}
	for _, host := range hosts {
		asked := time.Now()
		_, err := content.Stat(ctx, scheme(host)+host+"/")
		var answer *api.ContentError
		switch {
		case err == nil, errors.Is(err, iofs.ErrNotExist), errors.As(err, &answer) && answer.Status != 0:
			found = append(found, finding{Verdict: healthy, Says: fmt.Sprintf("%s answered in %v", host, time.Since(asked).Round(time.Millisecond))})
		case host == delivery && d.cfg.api.BaseURL != api.DefaultBaseURL:
			found = append(found, finding{Verdict: doubt, Says: err.Error(), Do: "nothing, unless " + d.cfg.api.BaseURL + " gives outputs there"})
		default:
			found = append(found, finding{Verdict: broken, Says: err.Error(), Do: "let the firewall or proxy through to " + host})
		}
	}
	return found
}

// scheme is plain for this machine only, as for outputs themselves.
func scheme(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if ip := net.ParseIP(name); name == "localhost" || ip != nil && ip.IsLoopback() {
		return "http://"
	}
	return "https://"
}
