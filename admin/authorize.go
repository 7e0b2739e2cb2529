package admin

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/policy"
)

// actionPrefix is the service prefix of the API's actions in policies.
const actionPrefix = "daypass:"

// authorize decides whether a caller may use a route: the root key and local
// callers may, a key with a policy may do what that allows, and a key without
// one is its account and has the permissions that the table gives to accounts.
func (h *handler) authorize(c *call, rt *route) error {
	if c.key == nil || c.key.Root || rt.action == "" {
		return nil
	}
	action := actionPrefix + rt.action
	if c.key.Policy == "" {
		if rt.account {
			return nil
		}
		return refuse("%s needs the root key, or an access key with a policy that allows it.", action)
	}
	p, err := policy.Parse([]byte(c.key.Policy), policy.Identity)
	if err != nil {
		// It was checked when it was set: to go on without it would allow
		// what it may deny.
		return &daypass.Error{Op: "admin.authorize", Code: daypass.InternalError, Err: err}
	}
	v := policy.Evaluate(&policy.Request{
		Principal: principal(c.key), Action: action, Resource: "*",
		Context: func(key string) ([]string, bool) { return h.conditionKey(c.Request, key) },
	}, &policy.Set{Identity: []*policy.Policy{p}, SameAccount: true})
	if v.Decision != policy.Allowed {
		return refuse("The access key may not do %s: %s.", action, v.Reason())
	}
	return nil
}

// principal is who a key is, as the S3 endpoint sees it too. A key without a
// policy is its account; one with a policy is a user: by the key's name where
// IAM would take that as a user's, else by its id (IAM API reference,
// CreateUser).
func principal(k *daypass.AccessKey) policy.Principal {
	if k.Root || k.Policy == "" {
		account := daypass.AccountID(k.Owner)
		return policy.Principal{ARN: "arn:aws:iam::" + account + ":root", Account: account,
			Canonical: daypass.CanonicalID(k.Owner), UserID: account, Root: true}
	}
	name := k.ID
	if isUserName(k.Name) {
		name = k.Name
	}
	account := daypass.AccountID(k.Owner)
	return policy.Principal{ARN: "arn:aws:iam::" + account + ":user/" + name, Account: account,
		Canonical: daypass.CanonicalID(k.Owner), UserName: name, UserID: k.ID}
}

func isUserName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-"
	return name != "" && len(name) <= 64 && strings.Trim(name, letters) == ""
}

// conditionKey is the value of a condition key of a request (IAM User Guide,
// "AWS global condition context keys").
func (h *handler) conditionKey(r *http.Request, key string) ([]string, bool) {
	value := ""
	switch key {
	case "aws:currenttime":
		value = h.Clock().UTC().Format(time.RFC3339)
	case "aws:epochtime":
		value = strconv.FormatInt(h.Clock().Unix(), 10)
	case "aws:sourceip":
		// The peer's own address: nothing that the client says counts.
		if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			value = addr.Addr().Unmap().String()
		}
	case "aws:securetransport":
		value = strconv.FormatBool(r.TLS != nil)
	case "aws:useragent":
		value = r.UserAgent()
	}
	return []string{value}, value != ""
}
