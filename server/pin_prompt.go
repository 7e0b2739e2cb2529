package server

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// A browser that opens a pass with a PIN is asked for it by a page, whose form
// goes to a path that no S3 request has: ".daypass" is no name of a bucket,
// and S3 has no POST to an object without a query. All addresses in it are
// relative, so that a proxy may serve it below any path.

const (
	// pinBucket and pinName are that path, as place sees it.
	pinBucket, pinName = ".daypass", "pin"
	// maxPINForm bounds the body of the form, and maxPINTarget what it goes
	// back to, in bytes.
	maxPINForm   = 16 << 10
	maxPINTarget = 8 << 10
)

//go:embed pin_prompt.html
var pinPageText string

//go:embed pin_prompt.css
var pinPageStyle string

// pinPagePolicy lets the page load nothing, be framed by nobody, and send its
// form here only (Content Security Policy Level 3).
var pinPagePolicy = func() string {
	sum := sha256.Sum256([]byte(pinPageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// A prompt is what the page says.
type prompt struct {
	// Action is where the form goes, Target what it opens.
	Action, Target string
	// File is the last name in the path, as far as it is fit to be shown.
	File string
	// Problem says what was wrong with the last try, and Locked that there is
	// no other.
	Problem string
	Locked  bool
}

// page returns the page. It is put together by hand: a template would make the
// linker keep every method in the program, a third of its size.
func (p *prompt) page() []byte {
	title, intro, described := "PIN needed", "Enter the PIN to go on.", ""
	problem, form := "", ""
	if p.File != "" {
		intro = "Enter the PIN to open <bdi>" + html.EscapeString(p.File) + "</bdi>."
	}
	if p.Problem != "" {
		title, described = "Error: PIN needed", ` aria-invalid="true" aria-describedby="problem"`
		problem = "\n" + `<p class="problem" id="problem" role="alert">` + html.EscapeString(p.Problem) + "</p>"
	}
	if !p.Locked {
		form = "\n" + `<form method="post" action="` + html.EscapeString(p.Action) + `" accept-charset="utf-8">
<input type="hidden" name="target" value="` + html.EscapeString(p.Target) + `">
<label for="pin">PIN</label>
<input id="pin" name="pin" type="password" required minlength="4" maxlength="128" autofocus autocomplete="one-time-code" autocapitalize="none" autocorrect="off" spellcheck="false"` + described + `>
<button type="submit">Open</button>
</form>`
	}
	r := strings.NewReplacer("{title}", title, "{style}", pinPageStyle, "{intro}", intro, "{problem}", problem, "{form}", form)
	return []byte(r.Replace(pinPageText))
}

// askPIN answers a refusal for want of the PIN with the page, where a person
// sees the answer.
func (s *Server) askPIN(x *exchange) bool {
	c := x.call
	if c == nil || x.w.status != 0 || !c.asking && !c.opensPage(x.err) {
		return false
	}
	problem, locked, ok := pinProblem(x.err)
	if !ok {
		return false
	}
	p := prompt{
		Action: c.pinAction(), Target: c.path + "?" + c.rawQuery, File: c.fileName(),
		Problem: problem, Locked: locked,
	}
	setRetryAfter(x.w.Header(), x.err)
	x.w.html(s3.Status(daypass.CodeOf(x.err)), p.page())
	return true
}

// html answers with a page of the server's own, which holds a pass: nobody
// may keep it, frame it, or learn its address from it.
func (w *response) html(status int, page []byte) {
	w.private = true
	h := w.Header()
	h.Set("Content-Security-Policy", pinPagePolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	// The client learns the status either way.
	_ = w.text(status, "text/html; charset=utf-8", page)
}

// opensPage reports whether a person has opened the pass and may be asked. A
// pass with origins is for scripts, which send the header: after the page, no
// origin is left that could be checked. Nor is there a page for a cookie, which
// scripts must not be able to read there.
func (c *call) opensPage(refusal error) bool {
	return errors.Is(refusal, errNoPIN) && c.r.Method == http.MethodGet && !c.byCookie && len(c.limits.Origins) == 0 &&
		acceptsHTML(c.r.Header) && validPINTarget(c.path+"?"+c.rawQuery)
}

func acceptsHTML(h http.Header) bool {
	return strings.Contains(strings.ToLower(joined(h.Values("Accept"))), "text/html")
}

// pinProblem words a refusal for people. ok is false where it is about
// something else than the PIN.
func pinProblem(err error) (problem string, locked, ok bool) {
	switch {
	case errors.Is(err, errNoPIN):
		return "", false, true
	case errors.Is(err, errWrongPIN):
		return "That is not the PIN. Please try again.", false, true
	case errors.Is(err, state.ErrPINLocked):
		return "A wrong PIN was given too often, so this link is locked. Ask whoever sent it to unlock it.", true, true
	case errors.Is(err, state.ErrPINWait):
		return "A wrong PIN was given too often. Please wait " + waitText(err) + " before you try again.", false, true
	}
	return "", false, false
}

// retrySeconds returns how many seconds to wait before trying again: one,
// where the error does not say.
func retrySeconds(err error) int64 {
	wait, ok := state.RetryAfter(err)
	var told interface{ RetryAfter() time.Duration }
	if !ok && errors.As(err, &told) { // of a store that waits for its engine
		wait = told.RetryAfter()
	}
	return max(1, int64((wait+time.Second-1)/time.Second))
}

// setRetryAfter tells the client when to try again, if that is of use.
func setRetryAfter(h http.Header, err error) {
	if code := daypass.CodeOf(err); code == daypass.ServiceUnavailable || code == daypass.SlowDown {
		h.Set("Retry-After", strconv.FormatInt(retrySeconds(err), 10))
	}
}

func waitText(err error) string {
	seconds := retrySeconds(err)
	switch {
	case seconds == 1:
		return "1 second"
	case seconds <= 120:
		return strconv.FormatInt(seconds, 10) + " seconds"
	}
	return strconv.FormatInt((seconds+59)/60, 10) + " minutes"
}

// fileName returns the last name of the path, "" where it cannot be shown.
func (t *target) fileName() string {
	name := lastName(t.place.key)
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return name
}

// lastName returns the last name in a key, without the slash that a folder
// ends in.
func lastName(key string) string {
	key = strings.TrimSuffix(key, "/")
	return key[strings.LastIndexByte(key, '/')+1:]
}

// belowBase returns what follows the path of the base URL, slash included, in
// the client's spelling.
func (t *target) belowBase() string { return t.path[rawLength(t.path, len(t.place.passedOn)):] }

// pinAction returns the address of the form, relative to that of the page,
// which is the pass's own at first and then that of the form.
func (c *call) pinAction() string {
	if c.asking {
		return pinName
	}
	up := strings.Count(c.belowBase(), "/") - 1
	return strings.Repeat("../", up) + pinBucket + "/" + pinName
}

// isPINForm reports whether a request answers the page.
func (s *Server) isPINForm(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	_, query := sign.RawTarget(r)
	p, ok := s.placeOf(r)
	return ok && query == "" &&
		(p.hostBucket == "" && p.bucket == pinBucket && p.key == pinName || p.hostBucket != "" && p.key == pinBucket+"/"+pinName)
}

// answerPIN tries the PIN that a person has entered, and opens the pass. It
// repeats every check that needs no state, and takes nothing of what the pass
// counts.
func (s *Server) answerPIN(x *exchange) error {
	x.w.private = true
	if err := s.fromOwnPage(x.r); err != nil {
		return err
	}
	target, pin, err := readPINForm(x)
	if err != nil {
		return err
	}
	r, err := opened(x.r, target)
	if err != nil {
		return err
	}
	if x.target, err = s.resolve(r); err != nil {
		return err
	}
	s.lookUp(r, x.target)
	if x.call, err = s.authenticate(r, x.target); err != nil {
		return err
	}
	c := x.call
	if form, _ := s.placeOf(x.r); c.limits == nil || c.limits.PIN == nil || form.passedOn != c.place.passedOn {
		return invalidRequest("The form is not about a pass of this server that has a PIN.")
	}
	c.asking = true
	if err := s.authorize(c); err != nil {
		return err
	}
	if pin == "" {
		return pinRefused(errNoPIN)
	}
	if err := s.tryPIN(c, pin); err != nil {
		return err
	}
	http.SetCookie(&x.w, s.pinCookie(c))
	h := x.w.Header()
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", ".."+c.belowBase()+"?"+c.rawQuery)
	return x.w.empty(http.StatusSeeOther)
}

// opened returns the request that the browser sent when it opened the pass, as
// far as anything depends on it.
func opened(form *http.Request, target string) (*http.Request, error) {
	if !validPINTarget(target) {
		return nil, invalidArgument("The form does not name a path on this server.", "target", "")
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, invalidArgument("The form does not name a path on this server.", "target", "")
	}
	r := form.Clone(form.Context())
	r.Method, r.URL, r.RequestURI, r.Body, r.ContentLength = http.MethodGet, u, target, http.NoBody, 0
	r.TransferEncoding = nil
	r.Header = http.Header{}
	for _, name := range openingHeaders {
		if v := form.Header[name]; len(v) > 0 {
			r.Header[name] = v
		}
	}
	return r, nil
}

// openingHeaders are those that say where a request comes from. No other of
// the form's counts: cookies and Authorization would be other passes.
var openingHeaders = []string{
	"User-Agent", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto",
}

// validPINTarget reports whether a text is a path with a query on this host.
// Browsers take two slashes, or a backslash, for the beginning of another.
func validPINTarget(target string) bool {
	if len(target) > maxPINTarget || len(target) < 2 || target[0] != '/' || target[1] == '/' {
		return false
	}
	return !strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' || c == '#' })
}

// readPINForm reads the two fields of the form.
func readPINForm(x *exchange) (target, pin string, err error) {
	mediaType, _, _ := strings.Cut(x.r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded") {
		return "", "", invalidRequest("This path takes the form that asks for a PIN.")
	}
	body, err := io.ReadAll(io.LimitReader(x.w.pace.reader(x.r.Body), maxPINForm+1))
	if err != nil {
		return "", "", err
	}
	if len(body) > maxPINForm {
		return "", "", &daypass.Error{Code: s3.MaxMessageLengthExceeded}
	}
	fields, err := sign.ParseQuery(string(body))
	if err != nil {
		return "", "", invalidRequest("The form is malformed.")
	}
	for i := range fields {
		if fields[i+1:].Has(fields[i].Name) {
			return "", "", invalidRequest("The form has a field twice.")
		}
	}
	return fields.Get("target"), fields.Get("pin"), nil
}

// fromOwnPage refuses a form that another site sends: it would try PINs from
// the addresses of its visitors. Browsers that say where a request comes from
// are believed, since no page can make them say anything else; the page's own
// form has no origin ("null"), as its referrer policy wants it.
func (s *Server) fromOwnPage(r *http.Request) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch {
	case site != "" && site != "same-origin" && site != "none":
	case site != "" || origin == "" || origin == "null" || s.isOwnOrigin(r, origin):
		return nil
	}
	return limits.Refused(limits.PIN, "the form of this server", "that of another site")
}

// isOwnOrigin reports whether an origin is this server under one of its names.
func (s *Server) isOwnOrigin(r *http.Request, origin string) bool {
	_, host, _ := strings.Cut(origin, "://")
	host = normalHost(host)
	return host == normalHost(s.view(r).host) || s.names.isPublic(host)
}
