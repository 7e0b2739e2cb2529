package admin

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// An EventSink takes an event of each request, refused ones included, as the
// sink of the S3 endpoint does. Append must not keep the event: it is the
// caller's again when it returns. It may be called concurrently.
type EventSink interface {
	Append(e *daypass.Event)
}

// A counted response counts what is written.
type counted struct {
	http.ResponseWriter
	sent int64
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.sent += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// An exchange is what became of a request.
type exchange struct {
	began  time.Time
	id     string
	action daypass.Action
	call   *call // nil where nobody was admitted
	sent   int64
	told   *client.ErrorBody // nil for success
	status int
	err    error
}

// emit gives the event of a request to the sink. Nothing of bodies is in it:
// they hold secrets.
func (h *handler) emit(r *http.Request, x *exchange) {
	if h.Events == nil {
		return
	}
	e := daypass.Event{
		Time: x.began.UTC(), RequestID: x.id, Action: x.action, Source: sourceOf(r), Peer: r.RemoteAddr,
		Grant:  daypass.Grant{Scheme: daypass.SchemeAnonymous},
		Method: r.Method, URI: r.RequestURI, Protocol: r.Proto, Host: r.Host, Referer: r.Referer(), UserAgent: r.UserAgent(),
		Status: x.status, Sent: x.sent, ObjectSize: -1, Total: max(0, h.Clock().Sub(x.began)),
	}
	if c := x.call; c != nil {
		e.Grant, e.Subject, e.Object = c.grant, c.subject, c.object
		e.Received = int64(len(c.body))
		if c.key != nil {
			p := principal(c.key)
			e.Principal, e.PrincipalID = p.ARN, p.UserID
		}
	}
	if x.told != nil {
		e.Code, e.Message = x.told.Code, x.told.Message
		e.Reason = strings.ReplaceAll(x.err.Error(), "\n", "; ")
	}
	h.Events.Append(&e)
}

// sourceOf is the address of the peer: nothing that a client says counts. The
// socket has none.
func sourceOf(r *http.Request) string {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return addr.Addr().Unmap().String()
}

// actionOf names what a request asked for, whether or not it may.
func actionOf(r *http.Request, routes []route) daypass.Action {
	for i := range routes {
		if routes[i].method == r.Method {
			return routes[i].event
		}
	}
	return daypass.UnknownAdminAction
}

// subjectOfPath is what the path of a request names.
func subjectOfPath(r *http.Request, rt *route) string {
	if id := r.PathValue("id"); id != "" && rt.names != "" {
		return rt.names + " " + id
	}
	return ""
}

// revocationSubject says what a revocation is about, for logs.
func revocationSubject(n *client.NewRevocation, pass string) string {
	var all []string
	add := func(kind, text string) {
		if text != "" {
			all = append(all, kind+" "+text)
		}
	}
	add("pass", pass)
	add("name", n.Name)
	add("owner", n.Owner)
	add("key", n.AccessKeyID)
	if n.Bucket != "" {
		add("prefix", n.Bucket+"/"+n.Prefix)
	}
	if !n.Before.IsZero() {
		add("before", n.Before.UTC().Format(time.RFC3339))
	}
	return strings.Join(all, " and ")
}
