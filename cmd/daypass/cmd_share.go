package main

import (
	"context"
	"crypto/tls"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"rsc.io/qr"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// shareBucket holds what share uploads, each file under a prefix that tells
// when its link ends.
const shareBucket = "share"

type shareFlags struct {
	serve   serveFlags
	expires lifetimeFlag
	limits  limitFlags
	lan     bool
	// untilOnly tells that --until decides alone.
	untilOnly bool
}

// A sharedFile is a link that share has made.
type sharedFile struct {
	File    string    `json:"file"`
	URL     string    `json:"url"`
	Size    int64     `json:"size"`
	Expires time.Time `json:"expires"`
}

func (a *app) shareCommand() *cobra.Command {
	f := shareFlags{expires: lifetimeFlag(time.Hour)}
	f.serve.listen, f.serve.logLevel = "", "warn"
	cmd := &cobra.Command{
		Use:   "share FILE...",
		Short: "Store files and print a link to each that ends by itself",
		Long: "Store files and print a pre-signed URL for each, that anybody can open until it expires.\n\n" +
			"If a server runs on the data directory, it serves the links and share returns at once.\n" +
			"Otherwise share starts one and stays until it is interrupted. Copies whose links have\n" +
			"ended are removed at the next share.",
		Example: "  daypass share holiday.jpg\n  daypass share report.pdf --expires 7d --lan\n" +
			"  daypass share report.pdf --uses 2 --pin -",
		Args:        cobra.MinimumNArgs(1),
		Annotations: map[string]string{usesConfigFile: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.untilOnly = f.limits.until != "" && !cmd.Flags().Changed("expires")
			if err := checkGiven(cmd.Flags()); err != nil {
				return err
			}
			return a.share(cmd.Context(), &f, args)
		},
	}
	a.addServeFlags(cmd.Flags(), &f.serve)
	cmd.Flags().Var(&f.expires, "expires", "lifetime of the links, at most 7d")
	addUseLimits(cmd.Flags(), &f.limits)
	cmd.Flags().BoolVar(&f.lan, "lan", false, "listen on this machine's address in the local network, so that other devices can open the links")
	return cmd
}

func (a *app) share(ctx context.Context, f *shareFlags, files []string) error {
	if lifetime := time.Duration(f.expires); lifetime < time.Second || lifetime > sign.MaxLifetime {
		return usagef("--expires must be from 1s to 7d, not %s", f.expires.String())
	}
	if err := a.readPIN(&f.limits.pin); err != nil {
		return err
	}
	if err := a.checkShare(f); err != nil {
		return err
	}
	if err := checkFiles(files); err != nil {
		return err
	}
	c, info, err := dialLocal(ctx, f.serve.data)
	if err != nil {
		return err
	}
	if c != nil {
		if f.lan && loopback(info.PublicURLs[0]) {
			return usagef("the server that runs on %s listens on this machine only\nstop it, or start it with: daypass serve --listen 0.0.0.0:9000 --public-url http://ADDRESS:9000", f.serve.data)
		}
		return a.shareFiles(ctx, c, f, files)
	}
	return a.shareAndServe(ctx, f, files)
}

// checkShare refuses limits that cannot be enforced before anything is stored.
func (a *app) checkShare(f *shareFlags) error {
	_, l, err := f.link(a.now())
	if err != nil || l == nil {
		return err
	}
	a.noteUses(l.Uses)
	_, err = a.limited(sign.URLRequest{Method: http.MethodGet, Bucket: shareBucket, Key: "-"}, l, "not the key", sign.V4)
	return limitError(err)
}

// link returns for how long links are signed now, and what limits them.
func (f *shareFlags) link(now time.Time) (time.Duration, *client.Limits, error) {
	now = now.UTC().Truncate(time.Second)
	l, err := f.limits.limitsFor("", now)
	if err != nil || !f.untilOnly {
		return time.Duration(f.expires), l, err
	}
	return lifetimeUntil(l.Until, now), l, nil
}

// checkFiles refuses what cannot be shared before anything is started.
func checkFiles(files []string) error {
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return usagef("%s is not a regular file\nshare an archive of a directory instead", name)
		}
	}
	return nil
}

// shareAndServe starts a server, shares, and stays until it is interrupted.
func (a *app) shareAndServe(ctx context.Context, f *shareFlags, files []string) error {
	n, err := a.startShareServer(ctx, f)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- n.run(running) }()
	c, _, err := dialLocal(ctx, f.serve.data)
	if err == nil && c == nil {
		err = errors.New("the server that was started does not answer")
	}
	if err == nil {
		err = a.shareFiles(ctx, c, f, files)
	}
	if err != nil {
		cancel()
		return errors.Join(err, <-done)
	}
	fmt.Fprintln(a.err, "Serving until you press Ctrl-C.")
	return <-done
}

func (a *app) startShareServer(ctx context.Context, f *shareFlags) (*node, error) {
	config, err := f.serve.node()
	if err != nil {
		return nil, err
	}
	log, err := a.logger(f.serve.logLevel, f.serve.logFormat)
	if err != nil {
		return nil, err
	}
	config.opsListen = ""
	config.events.noSinks = true
	config.signingKey = shareKey
	config.drain = 2 * time.Second
	if config.listen, err = shareAddress(f, log); err != nil {
		return nil, err
	}
	n, err := a.openNode(ctx, config, log)
	if err != nil {
		return nil, err
	}
	if err := n.listen(ctx); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// shareKey returns the key that share signs with. It is not the root key,
// which the first start of serve makes and shows.
func shareKey(ctx context.Context, s *state.State) (daypass.AccessKey, error) {
	root, err := s.RootKey(ctx)
	if daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		return root, err
	}
	for after, more := "", true; more; {
		var keys []daypass.AccessKey
		if keys, more, err = s.ListKeys(ctx, after, state.MaxListKeys); err != nil {
			return daypass.AccessKey{}, err
		}
		for _, k := range keys {
			if k.Name == shareBucket && !k.Disabled && k.Expires.IsZero() {
				return s.AccessKey(ctx, k.ID)
			}
			after = k.ID
		}
	}
	return s.CreateKey(ctx, state.NewKey{Name: shareBucket})
}

// shareAddress is where a server for share listens: where it was told to, at
// port 9000 if that is free, else at any port.
func shareAddress(f *shareFlags, log *slog.Logger) (string, error) {
	if f.serve.listen != "" {
		return f.serve.listen, nil
	}
	host := "127.0.0.1"
	if f.lan {
		var err error
		if host, err = lanAddress(); err != nil {
			return "", err
		}
	}
	preferred := net.JoinHostPort(host, "9000")
	l, err := net.Listen("tcp", preferred)
	if err != nil {
		log.Debug("port 9000 is taken, using another", "err", err)
		return net.JoinHostPort(host, "0"), nil
	}
	return preferred, l.Close()
}

// lanAddress returns this machine's address in the local network.
func lanAddress() (string, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, private := range []bool{true, false} {
		for _, addr := range addrs {
			ip, ok := addr.(*net.IPNet)
			if ok && ip.IP.To4() != nil && ip.IP.IsGlobalUnicast() && (!private || ip.IP.IsPrivate()) {
				return ip.IP.String(), nil
			}
		}
	}
	return "", usagef("--lan: this machine has no address in a local network")
}

// shareFiles uploads files through a running server and prints their links.
func (a *app) shareFiles(ctx context.Context, c *client.Client, f *shareFlags, files []string) error {
	info, err := c.Server(ctx)
	if err != nil {
		return err
	}
	s := &sharer{app: a, client: c}
	if s.lifetime, s.limits, err = f.link(a.now()); err != nil {
		return err
	}
	if s.local, err = url.Parse(info.PublicURLs[len(info.PublicURLs)-1]); err != nil {
		return err
	}
	s.http = localClient(s.local)
	if err := s.prepare(ctx); err != nil {
		return err
	}
	shared := []sharedFile{}
	for _, name := range files {
		link, err := s.share(ctx, name)
		if err != nil {
			return err
		}
		shared = append(shared, link)
		if !a.json {
			a.printLink(link)
		}
	}
	if a.json {
		return a.printJSON(shared)
	}
	return nil
}

func (a *app) printLink(l sharedFile) {
	fmt.Fprintln(a.out, l.URL)
	if a.terminal && !loopback(l.URL) {
		a.printQR(l.URL)
	}
	fmt.Fprintf(a.err, "%s, %s, opens until %s (%s)\n", printable(filepath.Base(l.File)), showSize(l.Size),
		showTime(l.Expires), showDuration(l.Expires.Sub(a.now())))
}

// loopback reports whether a URL can be opened on this machine only.
func loopback(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback() || u.Hostname() == "localhost"
}

// quietZone is the margin that a QR code needs, in modules (ISO/IEC 18004,
// section 9.1).
const quietZone = 4

// printQR draws a QR code, two modules a character, dark on light.
func (a *app) printQR(text string) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return // too long for a code: the URL stands above
	}
	var b strings.Builder
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		b.WriteString("\x1b[30;47m")
		for x := -quietZone; x < code.Size+quietZone; x++ {
			b.WriteString([]string{" ", "▄", "▀", "█"}[2*dark(code, x, y)+dark(code, x, y+1)])
		}
		b.WriteString("\x1b[0m\n")
	}
	io.WriteString(a.out, b.String())
}

func dark(code *qr.Code, x, y int) int {
	if code.Black(x, y) {
		return 1
	}
	return 0
}

func showSize(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, i := float64(n)/1024, 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", v, units[i])
}

// A sharer uploads files with URLs that the server makes for it.
type sharer struct {
	app      *app
	client   *client.Client
	lifetime time.Duration
	limits   *client.Limits
	local    *url.URL // the server as it listens on this machine
	http     *http.Client
}

// localClient returns a client for the server that listens at an address of
// this machine. Its certificate is for the public name, so it is not checked
// against the address.
func localClient(local *url.URL) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// prepare makes the bucket and removes what earlier links have left.
func (s *sharer) prepare(ctx context.Context) error {
	resp, err := s.send(ctx, http.MethodPut, "", nil, nil, nil, 0)
	if err != nil && daypass.CodeOf(err) != daypass.BucketAlreadyOwnedByYou {
		return fmt.Errorf("cannot make the bucket %q: %w", shareBucket, err)
	}
	if err == nil {
		resp.Body.Close()
	}
	return s.sweep(ctx)
}

// share uploads one file and returns its link.
func (s *sharer) share(ctx context.Context, name string) (sharedFile, error) {
	file, err := os.Open(name)
	if err != nil {
		return sharedFile{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return sharedFile{}, err
	}
	contentType, err := detectType(file)
	if err != nil {
		return sharedFile{}, err
	}
	expires := s.app.now().Add(s.lifetime)
	if s.limits != nil && !s.limits.Until.IsZero() {
		expires = s.limits.Until
	}
	key, err := shareObjectKey(expires, filepath.Base(name), s.app.rand)
	if err != nil {
		return sharedFile{}, err
	}
	// The link is made first: where the server refuses it, nothing is stored.
	r := client.PresignRequest{Method: http.MethodGet, Bucket: shareBucket, Key: key, ExpiresSeconds: int64(s.lifetime / time.Second)}
	if s.limits != nil {
		r.Limits = *s.limits
	}
	p, err := s.client.Presign(ctx, r)
	if err != nil {
		return sharedFile{}, err
	}
	body := s.app.progress(file, info.Size(), filepath.Base(name))
	resp, err := s.send(ctx, http.MethodPut, key, nil, map[string]string{"Content-Type": contentType}, body, info.Size())
	if err != nil {
		return sharedFile{}, fmt.Errorf("cannot store %s: %w", name, err)
	}
	resp.Body.Close()
	return sharedFile{File: name, URL: p.URL, Size: info.Size(), Expires: p.Expires}, nil
}

// shareObjectKey is END-RANDOM/NAME: END, in base 36, tells when the link
// ends, RANDOM keeps files of one name apart.
func shareObjectKey(expires time.Time, name string, random io.Reader) (string, error) {
	var b [5]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	return strconv.FormatInt(expires.Unix(), 36) + "-" +
		strings.ToLower(base32.StdEncoding.EncodeToString(b[:])) + "/" + name, nil
}

// shareEnd reads when the link of a key ends.
func shareEnd(key string) (time.Time, bool) {
	end, _, ok := strings.Cut(key, "-")
	unix, err := strconv.ParseInt(end, 36, 64)
	return time.Unix(unix, 0), ok && err == nil
}

// detectType finds a media type that browsers show where they can: by the
// file's name, else by its first bytes. Text that browsers would rather
// download, such as Markdown, is plain text.
func detectType(file io.ReadSeeker) (string, error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	head = head[:n]
	byName := ""
	if f, ok := file.(*os.File); ok {
		byName = mime.TypeByExtension(strings.ToLower(filepath.Ext(f.Name())))
	}
	sniffed := http.DetectContentType(head)
	shown := strings.HasPrefix(byName, "text/html") || strings.HasPrefix(byName, "text/css") || strings.Contains(byName, "javascript")
	if strings.HasPrefix(sniffed, "text/plain") && utf8.Valid(trimPartial(head)) && !shown &&
		(byName == "" || strings.HasPrefix(byName, "text/")) {
		return "text/plain; charset=utf-8", nil
	}
	if byName != "" {
		return byName, nil
	}
	return sniffed, nil
}

// trimPartial cuts off a character that the end of the sample divides.
func trimPartial(b []byte) []byte {
	for i := 0; i < utf8.UTFMax && len(b) > i; i++ {
		if utf8.Valid(b[:len(b)-i]) {
			return b[:len(b)-i]
		}
	}
	return b
}

// progress shows on a terminal how far an upload is.
func (a *app) progress(r io.Reader, size int64, name string) io.Reader {
	if !a.errTerm || a.json {
		return r
	}
	bar := progressbar.NewOptions64(size, progressbar.OptionSetWriter(a.err), progressbar.OptionSetDescription(name),
		progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish())
	reader := progressbar.NewReader(r, bar)
	return &reader
}

// ownLifetime is how long the URLs live that share itself uses.
const ownLifetime = 5 * time.Minute

// send has a URL made and sends a request to it; the body has size bytes.
func (s *sharer) send(ctx context.Context, method, key string, query, headers map[string]string, body io.Reader, size int64) (*http.Response, error) {
	p, err := s.client.Presign(ctx, client.PresignRequest{Method: method, Bucket: shareBucket, Key: key,
		ExpiresSeconds: int64(ownLifetime / time.Second), Query: query, Headers: headers})
	if err != nil {
		return nil, err
	}
	if size == 0 {
		body = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, p.URL, body)
	if err != nil {
		return nil, err
	}
	// The URL is made for the public name, which may not lead here from here.
	r.Host = r.URL.Host
	r.URL.Scheme, r.URL.Host = s.local.Scheme, s.local.Host
	r.ContentLength = size
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	resp, err := s.http.Do(r)
	if err != nil {
		// The error of http.Client repeats the URL, signature included.
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, readS3Error(resp.Body, resp.Status)
	}
	return resp, nil
}
