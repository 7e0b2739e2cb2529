package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/policy"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// STS gives out temporary keys on the endpoint of S3: a POST to "/" with a
// form that names the action (AWS Security Token Service API Reference).

const (
	stsService = "sts"
	stsVersion = "2011-06-15"
	// maxSTSBody bounds a form, in bytes.
	maxSTSBody = 64 << 10
)

// isSTS reports whether a request is for STS: S3 has no POST to "/", and a GET
// that names an action and STS's version is a pre-signed one.
func (s *Server) isSTS(r *http.Request) bool {
	path, query := sign.RawTarget(r)
	switch r.Method {
	case http.MethodGet:
		if !strings.Contains(query, "Version="+stsVersion) || !strings.Contains(query, "Action=") {
			return false
		}
	case http.MethodPost:
		mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		if !strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded") {
			return false
		}
	default:
		return false
	}
	v := s.view(r)
	return strings.HasPrefix(path, "/") && s.names.place(v.host, path, v.stripped).level == s3.ServiceLevel
}

// An stsCall is an authenticated request to STS.
type stsCall struct {
	*call
	server *Server
	params sign.Query
	id     string // of the request
}

// stsActions is the table of actions.
var stsActions = map[string]func(*stsCall) ([]byte, error){
	"AssumeRole":        (*stsCall).assumeRole,
	"GetSessionToken":   (*stsCall).sessionToken,
	"GetCallerIdentity": (*stsCall).callerIdentity,
}

// serveSTS answers a request to STS, refusals included.
func (s *Server) serveSTS(x *exchange) error {
	x.w.Header()["X-Amzn-Requestid"] = x.w.ids[:1:1]
	body, err := s.answerSTS(x)
	if err != nil {
		x.err = err
		status, code, message := stsFault(err)
		x.told = told{daypass.Code(code), message}
		return x.w.xmlText(status, s3.AppendSTSError(nil, code, message, x.w.ids[0]))
	}
	x.w.Header().Set("Cache-Control", "no-store")
	return x.w.xmlText(http.StatusOK, body)
}

// xmlText is xml with the media type that STS has.
func (w *response) xmlText(status int, body []byte) error {
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	return w.text(status, "text/xml", body)
}

func (s *Server) answerSTS(x *exchange) ([]byte, error) {
	c, err := s.authenticateSTS(x)
	if err != nil {
		return nil, err
	}
	name := c.params.Get("Action")
	act, ok := stsActions[name]
	switch {
	case name == "":
		return nil, stsError("MissingAction", "The request must contain the parameter Action")
	case c.params.Get("Version") != stsVersion || !ok:
		return nil, stsError("InvalidAction", "Could not find operation "+name+" for version "+c.params.Get("Version"))
	}
	c.action = &s3.Action{Name: daypass.Action(name)}
	if err := c.checkParams(); err != nil {
		return nil, err
	}
	return act(c)
}

// authenticateSTS finds out who signed a request, its body included.
func (s *Server) authenticateSTS(x *exchange) (*stsCall, error) {
	r := x.r
	t := &target{header: r.Header, view: s.view(r), decoded: "/"}
	var rawQuery string
	var err error
	t.path, rawQuery = sign.RawTarget(r)
	if t.query, err = sign.ParseQuery(rawQuery); err != nil {
		return nil, signError(err)
	}
	if t.decoded, err = sign.UnescapePath(t.path); err != nil {
		return nil, signError(err)
	}
	t.place = s.names.place(t.view.host, t.decoded, t.view.stripped)
	x.target = t
	c := &stsCall{call: &call{target: t, r: r, now: s.cfg.Clock()}, server: s, params: t.query, id: x.w.ids[0]}
	sum := sign.EmptySHA256
	if r.Method == http.MethodPost {
		if sum, err = c.readForm(x); err != nil {
			return nil, err
		}
	}
	if name := c.params.Get("Action"); stsActions[name] != nil {
		x.asks = &s3.Action{Name: daypass.Action(name)}
	}
	req := sign.Request{
		Method: r.Method, Path: t.path, Query: t.query, Header: r.Header, ContentLength: r.ContentLength,
		Hosts: s.names.candidates(nil, &t.view, t.decoded, t.place), BodySHA256: sum,
	}
	if c.result, err = s.sts.VerifyRequest(c.remembering(r.Context()), &req, c.now); err != nil {
		return nil, signError(err)
	}
	c.head = headers{sent: r.Header, result: c.result}
	c.setGrant()
	x.call = c.call
	switch {
	case c.grant.Anonymous():
		return nil, stsError("MissingAuthenticationToken", "Request is missing Authentication Token")
	case r.Method == http.MethodPost && (c.result.Payload.Kind != sign.PayloadSHA256 || c.result.Payload.SHA256 != sum):
		return nil, mismatch("the signature does not cover the form")
	}
	return c, s.checkAge(c.call)
}

// readForm reads the parameters out of the body and returns its SHA-256.
func (c *stsCall) readForm(x *exchange) (string, error) {
	body, err := io.ReadAll(io.LimitReader(x.w.pace.reader(c.r.Body), maxSTSBody+1))
	if err != nil {
		return "", &daypass.Error{Code: daypass.IncompleteBody, Err: err}
	}
	if len(body) > maxSTSBody {
		return "", stsError("RequestEntityTooLarge", "The request is too large")
	}
	if c.params, err = sign.ParseQuery(string(body)); err != nil {
		return "", stsError("MalformedQueryString", "The form is malformed")
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

// unsupportedSTS are the parameters that would narrow a session, or its
// making, and that are refused because they would have to be enforced.
var unsupportedSTS = []string{"PolicyArns.", "Tags.", "TransitiveTagKeys.", "ProvidedContexts.", "SerialNumber", "TokenCode", "ExternalId"}

func (c *stsCall) checkParams() error {
	seen := make(map[string]bool)
	for _, p := range c.params {
		if seen[p.Name] {
			return stsError("ValidationError", "The parameter "+p.Name+" is given twice")
		}
		seen[p.Name] = true
		for _, name := range unsupportedSTS {
			if p.Name == name || strings.HasSuffix(name, ".") && strings.HasPrefix(p.Name, name) {
				return stsError("ValidationError", "The parameter "+p.Name+" is not supported by this server")
			}
		}
	}
	return nil
}

// callerIdentity tells the caller who it is (GetCallerIdentity).
func (c *stsCall) callerIdentity() ([]byte, error) {
	p, err := c.server.principal(c.call)
	if err != nil {
		return nil, err
	}
	return s3.AppendCallerIdentity(nil, p.ARN, p.UserID, p.Account, c.id), nil
}

// Lifetimes of temporary keys (STS API Reference, AssumeRole and
// GetSessionToken).
const (
	minSession            = 15 * time.Minute
	defaultRoleSession    = time.Hour
	maxRoleSession        = 12 * time.Hour
	defaultSessionToken   = 12 * time.Hour
	maxSessionToken       = 36 * time.Hour
	maxAccountSession     = time.Hour
	maxSessionPolicy      = 2048
	minRoleARN            = 20
	maxRoleARN            = 2048
	minSessionName        = 2
	maxSessionName        = 64
	sessionNameConstraint = `[\w+=,.@-]*`
)

// sessionToken makes a temporary key that may do what its parent may
// (GetSessionToken). Unlike AWS's, it takes a Policy that narrows that.
func (c *stsCall) sessionToken() ([]byte, error) {
	standard, most := defaultSessionToken, maxSessionToken
	if isAccount(&c.key) {
		standard, most = maxAccountSession, maxAccountSession
	}
	lifetime, err := c.duration(standard, most, isAccount(&c.key))
	if err != nil {
		return nil, err
	}
	if c.key.Session != nil {
		return nil, stsError("AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	return c.create("GetSessionToken", state.NewSession{Lifetime: lifetime})
}

// assumeRole makes a temporary key for a session of a role of the caller's own
// account (AssumeRole). There are no roles with policies of their own: the
// session may do what the caller may, as far as its Policy allows it too.
func (c *stsCall) assumeRole() ([]byte, error) {
	role, name := c.params.Get("RoleArn"), c.params.Get("RoleSessionName")
	if err := errors.Join(c.require("RoleArn", role, minRoleARN, maxRoleARN, ""),
		c.require("RoleSessionName", name, minSessionName, maxSessionName, sessionNameConstraint)); err != nil {
		return nil, firstOf(err)
	}
	lifetime, err := c.duration(defaultRoleSession, maxRoleSession, false)
	if err != nil {
		return nil, err
	}
	if err := c.mayAssume(role); err != nil {
		return nil, err
	}
	return c.create("AssumeRole", state.NewSession{Name: name, Role: role, Lifetime: lifetime})
}

// mayAssume refuses roles of other accounts, and those that the caller's
// policy does not let it assume: the caller chooses the name under which
// bucket policies will know it.
func (c *stsCall) mayAssume(role string) error {
	parts := strings.SplitN(role, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] != "iam" || parts[3] != "" || !isRole(parts[5]) {
		return stsError("ValidationError", role+" is invalid")
	}
	d, err := c.server.newDecision(c.call)
	if err != nil {
		return err
	}
	c.deciding = d
	ask := &deliberation{server: c.server, call: c.call, question: question{permission: "sts:AssumeRole", arn: role}}
	switch {
	case c.key.Session != nil:
		return stsError("AccessDenied", "Roles cannot be assumed with temporary credentials on this server")
	case parts[4] != d.principal.Account || ask.evaluate().Decision != policy.Allowed:
		return stsError("AccessDenied", "User: "+d.principal.ARN+" is not authorized to perform: sts:AssumeRole on resource: "+role)
	}
	return nil
}

// isRole reports whether the last part of an ARN is that of a role.
func isRole(resource string) bool {
	path, ok := strings.CutPrefix(resource, "role/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	return ok && name != "" && isNameText(strings.ReplaceAll(path, "/", ""))
}

// create makes the temporary key and the answer.
func (c *stsCall) create(action daypass.Action, n state.NewSession) ([]byte, error) {
	sessions, ok := c.server.cfg.Keys.(SessionKeys)
	if !ok {
		return nil, notImplemented(daypass.Detail{Name: "Action", Value: string(action)})
	}
	var err error
	if n.Policy, err = c.sessionPolicy(); err != nil {
		return nil, err
	}
	n.Parent = c.key
	key, err := sessions.CreateSession(n)
	if err != nil {
		return nil, err
	}
	out := s3.TemporaryCredentials{AccessKeyID: key.ID, Secret: key.Secret, Token: key.Session.Token, Expires: key.Expires}
	if n.Role != "" {
		out.AssumedARN, out.AssumedID = sessionARN(n.Role, n.Name), uniqueID("AROA", n.Role)+":"+n.Name
	}
	if n.Policy != "" {
		out.PackedPolicyPercent = max(1, 100*len(n.Policy)/maxSessionPolicy)
	}
	return out.Append(nil, action, c.id), nil
}

// sessionPolicy returns the policy that narrows a session, checked.
func (c *stsCall) sessionPolicy() (string, error) {
	text := c.params.Get("Policy")
	switch {
	case text == "":
		return "", nil
	case utf8.RuneCountInString(text) > maxSessionPolicy:
		return "", validationError(fmt.Sprintf("at 'policy' failed to satisfy constraint: Member must have length less than or equal to %d", maxSessionPolicy))
	}
	if _, err := policy.Parse([]byte(text), policy.Session); err != nil {
		var e *daypass.Error
		message := "This policy contains invalid Json"
		if errors.As(err, &e) && e.Message != "" {
			message = e.Message
		}
		return "", &daypass.Error{Op: "sts", Code: "MalformedPolicyDocument", Message: message, Err: err}
	}
	return text, nil
}

// duration reads DurationSeconds. A longer one than an account may have is
// shortened, as STS does.
func (c *stsCall) duration(standard, most time.Duration, shorten bool) (time.Duration, error) {
	text := c.params.Get("DurationSeconds")
	if text == "" {
		return standard, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	d := time.Duration(n) * time.Second
	limit := most
	if shorten {
		limit = maxSessionToken
	}
	switch {
	case err != nil:
		return 0, stsError("MalformedInput", "DurationSeconds must be a number of seconds")
	case d < minSession:
		return 0, validationError(fmt.Sprintf("Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to %d", text, minSession/time.Second))
	case d > limit:
		return 0, validationError(fmt.Sprintf("Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to %d", text, limit/time.Second))
	}
	return min(d, most), nil
}

// require checks a parameter that must be there.
func (c *stsCall) require(name, value string, least, most int, pattern string) error {
	member := "'" + strings.ToLower(name[:1]) + name[1:] + "'"
	fail := func(constraint string) error {
		return validationError("Value '" + value + "' at " + member + " failed to satisfy constraint: Member must " + constraint)
	}
	switch {
	case value == "":
		return validationError("Value null at " + member + " failed to satisfy constraint: Member must not be null")
	case pattern != "" && !isNameText(value):
		return fail("satisfy regular expression pattern: " + pattern)
	case len(value) < least:
		return fail("have length greater than or equal to " + strconv.Itoa(least))
	case len(value) > most:
		return fail("have length less than or equal to " + strconv.Itoa(most))
	}
	return nil
}

// firstOf returns the first of joined errors.
func firstOf(err error) error {
	var e *daypass.Error
	if errors.As(err, &e) {
		return e
	}
	return err
}

func validationError(what string) error {
	return stsError("ValidationError", "1 validation error detected: "+what)
}

func stsError(code daypass.Code, message string) error {
	return &daypass.Error{Op: "sts", Code: code, Message: message}
}

// An stsRow is how STS words an error of the rest of the server; an empty
// message keeps the error's own.
type stsRow struct {
	status        int
	code, message string
}

// stsFaults has a row for every code that STS answers (STS API Reference,
// "Common errors").
var stsFaults = map[daypass.Code]stsRow{
	daypass.AccessDenied:         {403, "AccessDenied", ""},
	daypass.InvalidAccessKeyID:   {403, "InvalidClientTokenId", "The security token included in the request is invalid."},
	"InvalidToken":               {403, "InvalidClientTokenId", "The security token included in the request is invalid."},
	"ExpiredToken":               {403, "ExpiredToken", "The security token included in the request is expired"},
	s3.SignatureDoesNotMatch:     {403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
	"RequestTimeTooSkewed":       {403, "SignatureDoesNotMatch", "Signature expired: the time of the request differs too much from the server's"},
	"MissingAuthenticationToken": {403, "MissingAuthenticationToken", ""},
	"ValidationError":            {400, "ValidationError", ""},
	"MalformedInput":             {400, "MalformedInput", ""},
	"MalformedPolicyDocument":    {400, "MalformedPolicyDocument", ""},
	"MissingAction":              {400, "MissingAction", ""},
	"InvalidAction":              {400, "InvalidAction", ""},
	"MalformedQueryString":       {400, "MalformedQueryString", ""},
	"RequestEntityTooLarge":      {413, "RequestEntityTooLarge", ""},
	daypass.NotImplemented:       {501, "NotImplemented", "This server does not give out temporary credentials."},
}

// stsFault returns how STS answers an error.
func stsFault(err error) (status int, code, message string) {
	var e *daypass.Error
	errors.As(err, &e)
	row, ok := stsFaults[daypass.CodeOf(err)]
	if !ok && s3.Status(daypass.CodeOf(err)) < 500 {
		row, ok = stsRow{http.StatusBadRequest, "IncompleteSignature", ""}, true
	}
	if !ok {
		return http.StatusInternalServerError, "InternalFailure", s3.Message(daypass.InternalError)
	}
	message = row.message
	if message == "" && e != nil {
		message = e.Message
	}
	if message == "" {
		message = s3.Message(daypass.AccessDenied)
	}
	return row.status, row.code, message
}
