package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/admin"
	"github.com/daypass/daypass/notify"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/s3store"
)

// An upstream is what a node asks of the S3 that keeps its objects, besides them.
type upstream interface {
	store.Driver
	// InitControl keeps a value in a control object that is not there yet, and
	// returns what is there.
	InitControl(ctx context.Context, name string, value []byte) ([]byte, error)
	// UpstreamKey returns the id of the access key that requests are signed
	// with, "" for none.
	UpstreamKey(ctx context.Context) (string, error)
	// Endpoints tells how the endpoints of the upstream are.
	Endpoints() []s3store.EndpointStatus
}

var _ upstream = (*s3store.Driver)(nil)

// openUpstream opens the S3 that --store names.
func (n *node) openUpstream(ctx context.Context) (store.Driver, error) {
	c, err := s3store.ParseURL(n.config.backend.store)
	if err != nil {
		return nil, usagef("--store: %v", err)
	}
	c.Logger, c.Now = n.log, n.app.now
	driver, err := s3store.Open(ctx, c)
	if err != nil {
		return nil, hinted(fmt.Errorf("cannot open --store: %w", err),
			"credentials come from where the AWS tools have them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, the machine's role")
	}
	n.upstream = driver
	n.upstreamPlace = "s3://" + c.Bucket + strings.TrimSuffix("/"+c.Prefix, "/")
	if c.Bucket == "" {
		n.upstreamPlace = "s3://" + c.NamePrefix + "*"
	}
	var places []string
	for _, e := range driver.Endpoints() {
		places = append(places, endpointName(e))
	}
	n.upstreamPlace += " at " + strings.Join(places, ", ")
	return driver, nil
}

// endpointName is how an endpoint is told of.
func endpointName(e s3store.EndpointStatus) string {
	if e.URL == "" {
		return "AWS"
	}
	return e.URL
}

// redirects returns which requests are redirected. This node does not see whether
// an upload that it redirected has come, so it redirects none where a webhook wants
// to be told.
func (n *node) redirects() server.Redirect {
	if n.config.backend.redirect != server.RedirectAll {
		return n.config.backend.redirect
	}
	for i := range n.webhooks {
		if w := &n.webhooks[i]; slices.Contains(w.Kinds, notify.ObjectCreated) {
			n.log.Warn("uploads are not redirected: a webhook wants to be told of them", "webhook", w.Name)
			return server.RedirectGet
		}
	}
	return server.RedirectAll
}

// upstreamKey returns the id of the key that the upstream knows this node by, ""
// where there is none.
func (n *node) upstreamKey(ctx context.Context) (string, error) {
	if n.upstream == nil {
		return "", nil
	}
	id, err := n.upstream.UpstreamKey(ctx)
	if err != nil {
		return "", fmt.Errorf("the credentials of the upstream: %w", err)
	}
	return id, nil
}

// refuseUpstreamKey refuses to start where the key that the upstream knows is an
// access key of Daypass too: whoever holds a URL that it signed could take that to
// the upstream, and leave its limits behind.
func (n *node) refuseUpstreamKey(ctx context.Context) error {
	id, err := n.upstreamKey(ctx)
	if err != nil || id == "" {
		return err
	}
	_, err = n.state.AccessKey(ctx, id)
	switch {
	case daypass.CodeOf(err) != daypass.NoSuchAccessKey && err != nil:
		return err
	case err == nil, n.app.env("DAYPASS_ROOT_ACCESS_KEY") == id:
		return hinted(fmt.Errorf("the access key of the upstream, %s, is an access key of Daypass too, so that URLs would work at the upstream without their limits", id),
			"make a key of its own for Daypass at the upstream, and give it in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n"+
				"or delete the one of Daypass ('daypass keys delete'), if no URL in use was signed with it")
	}
	return nil
}

// serverKeys are the access keys that sign requests: all but the one that the
// upstream knows this node by, whatever other nodes have made.
func (n *node) serverKeys() server.Keys {
	if n.upstream == nil {
		return n.state
	}
	return signingKeys{n.state, n}
}

// adminKeys are the access keys that the admin API tells of and makes.
func (n *node) adminKeys() admin.KeyStore {
	if n.upstream == nil {
		return n.state
	}
	return madeKeys{n.state, n}
}

// A signingKeys is state without the key of the upstream.
type signingKeys struct {
	*state.State
	node *node
}

var _ server.SessionKeys = signingKeys{}

// AccessKey implements server.Keys.
func (k signingKeys) AccessKey(ctx context.Context, id string) (daypass.AccessKey, error) {
	if k.node.ownUpstreamKey(ctx, id) {
		return daypass.AccessKey{}, &daypass.Error{Op: "keys", Code: daypass.NoSuchAccessKey, Err: errUpstreamKey}
	}
	return k.State.AccessKey(ctx, id)
}

// FindKey implements server.Finder.
func (k signingKeys) FindKey(ctx context.Context, id, token string) (daypass.AccessKey, *daypass.AccessKey, error) {
	if k.node.ownUpstreamKey(ctx, id) {
		return daypass.AccessKey{}, nil, &daypass.Error{Op: "keys", Code: daypass.NoSuchAccessKey, Err: errUpstreamKey}
	}
	return k.State.FindKey(ctx, id, token)
}

// A madeKeys is state in which the key of the upstream cannot be made.
type madeKeys struct {
	*state.State
	node *node
}

var _ admin.KeyStore = madeKeys{}

// CreateKey implements admin.KeyStore.
func (k madeKeys) CreateKey(ctx context.Context, key state.NewKey) (daypass.AccessKey, error) {
	if k.node.ownUpstreamKey(ctx, key.ID) {
		return daypass.AccessKey{}, &daypass.Error{Op: "keys", Code: daypass.InvalidArgument,
			Message: "This is the access key that the upstream knows Daypass by, where its URLs would work without their limits. Choose another."}
	}
	return k.State.CreateKey(ctx, key)
}

// ownUpstreamKey reports whether an id is that of the upstream's key. Where that
// is not known now, the upstream cannot be asked for anything either.
func (n *node) ownUpstreamKey(ctx context.Context, id string) bool {
	own, err := n.upstreamKey(ctx)
	return err == nil && own != "" && own == id
}

// errUpstreamKey says that a key is the upstream's.
var errUpstreamKey = errors.New("it is the access key of the upstream, where its URLs would work without their limits")
