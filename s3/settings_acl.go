package s3

import (
	"encoding/json"
	"strings"

	"github.com/daypass/daypass"
)

// A Permission is what a grant of an access control list gives (S3 User
// Guide, "Access control list (ACL) overview").
type Permission string

// The permissions.
const (
	FullControl Permission = "FULL_CONTROL"
	Read        Permission = "READ"
	Write       Permission = "WRITE"
	ReadACP     Permission = "READ_ACP"
	WriteACP    Permission = "WRITE_ACP"
)

// The predefined groups.
const (
	AllUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	AuthenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	LogDelivery        = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

// maxGrants is how many grants a list has at most.
const maxGrants = 100

// A Grant gives one permission to an account or a group.
type Grant struct {
	// ID is the canonical user id of an account; empty for a group.
	ID string `json:"id,omitempty"`
	// Group is the URI of a predefined group.
	Group      string     `json:"group,omitempty"`
	Permission Permission `json:"permission"`
}

// Public reports whether a grant is for everybody, signed in or not (S3 User
// Guide, "Blocking public access", The meaning of "public").
func (g Grant) Public() bool { return g.Group == AllUsers || g.Group == AuthenticatedUsers }

// Gives reports whether a grant has a permission.
func (g Grant) Gives(p Permission) bool { return g.Permission == p || g.Permission == FullControl }

// An ACL is the grants of an access control list.
type ACL []Grant

// Public reports whether any grant is.
func (a ACL) Public() bool {
	for _, g := range a {
		if g.Public() {
			return true
		}
	}
	return false
}

// Encode returns the list as it is kept beside buckets and objects.
func (a ACL) Encode() []byte {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings always encode
	}
	return b
}

// DecodeACL reads what Encode returned.
func DecodeACL(b []byte) (ACL, error) {
	var a ACL
	err := json.Unmarshal(b, &a)
	return a, err
}

// Canned returns the list that a canned ACL stands for; owner and bucketOwner
// are canonical user ids, bucketOwner empty for the list of a bucket. ok is
// false where S3 does not know the name there.
func Canned(name, owner, bucketOwner string) (a ACL, ok bool) {
	a = ACL{{ID: owner, Permission: FullControl}}
	forBucketOwner := func(p Permission) {
		if bucketOwner != "" && bucketOwner != owner {
			a = append(a, Grant{ID: bucketOwner, Permission: p})
		}
	}
	switch name {
	case "private", "aws-exec-read":
	case "public-read":
		a = append(a, Grant{Group: AllUsers, Permission: Read})
	case "public-read-write":
		a = append(a, Grant{Group: AllUsers, Permission: Read}, Grant{Group: AllUsers, Permission: Write})
	case "authenticated-read":
		a = append(a, Grant{Group: AuthenticatedUsers, Permission: Read})
	case "bucket-owner-read":
		forBucketOwner(Read)
	case "bucket-owner-full-control":
		forBucketOwner(FullControl)
	case "log-delivery-write":
		a = append(a, Grant{Group: LogDelivery, Permission: Write}, Grant{Group: LogDelivery, Permission: ReadACP})
	default:
		return nil, false
	}
	return a, true
}

// GrantHeaders are the headers that give permissions, in canonical form (S3
// API reference, PutObjectAcl).
func GrantHeaders() []GrantHeader { return grantHeaders[:] }

// A GrantHeader is a header that gives a permission to those whom it lists.
type GrantHeader struct {
	Header     string
	Permission Permission
}

var grantHeaders = [...]GrantHeader{
	{"X-Amz-Grant-Full-Control", FullControl},
	{"X-Amz-Grant-Read", Read},
	{"X-Amz-Grant-Read-Acp", ReadACP},
	{"X-Amz-Grant-Write", Write},
	{"X-Amz-Grant-Write-Acp", WriteACP},
}

// ParseGrantees parses the value of such a header: a list such as
// id="…", uri="…". InvalidArgument, UnresolvableGrantByEmailAddress.
func ParseGrantees(value string, p Permission) (ACL, error) {
	var a ACL
	for item := range strings.SplitSeq(value, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(item), "=")
		text = strings.TrimSpace(text)
		if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
			text = text[1 : len(text)-1]
		}
		if !ok || len(a) == maxGrants {
			return nil, invalidGrantee("Argument format not recognized", "x-amz-grant", item)
		}
		g := Grant{Permission: p}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "id":
			g.ID = text
		case "uri":
			g.Group = text
		case "emailaddress":
			return nil, unresolvable(text)
		default:
			return nil, invalidGrantee("Argument format not recognized", "x-amz-grant", item)
		}
		if err := g.check(); err != nil {
			return nil, err
		}
		a = append(a, g)
	}
	return a, nil
}

// check refuses a grantee that cannot be.
func (g Grant) check() error {
	switch {
	case g.Group != "" && g.Group != AllUsers && g.Group != AuthenticatedUsers && g.Group != LogDelivery:
		return invalidGrantee("Invalid group uri", "uri", g.Group)
	case g.Group == "" && !daypass.IsCanonicalID(g.ID):
		return invalidGrantee("Invalid id", "id", g.ID)
	}
	return nil
}

func invalidGrantee(message, name, value string) error {
	return &daypass.Error{Code: daypass.InvalidArgument, Message: message, Details: []daypass.Detail{
		{Name: "ArgumentName", Value: name}, {Name: "ArgumentValue", Value: value},
	}}
}

func unresolvable(email string) error {
	return &daypass.Error{Code: UnresolvableGrant, Details: []daypass.Detail{{Name: "ArgumentName", Value: "emailAddress"},
		{Name: "ArgumentValue", Value: email}}}
}

// aclDocument is the body of PutBucketAcl and PutObjectAcl.
type aclDocument struct {
	Owner *struct {
		ID string `xml:"ID"`
	} `xml:"Owner"`
	List *struct {
		Grants []grantDocument `xml:"Grant"`
	} `xml:"AccessControlList"`
}

type grantDocument struct {
	Grantee *struct {
		Type  string `xml:"http://www.w3.org/2001/XMLSchema-instance type,attr"`
		ID    string `xml:"ID"`
		URI   string `xml:"URI"`
		Email string `xml:"EmailAddress"`
	} `xml:"Grantee"`
	Permission Permission `xml:"Permission"`
}

// ParseACL parses the body of PutBucketAcl or PutObjectAcl and returns the
// canonical user id of the owner that it names, and the grants. MalformedACL,
// InvalidArgument, UnresolvableGrantByEmailAddress.
func ParseACL(body []byte) (owner string, a ACL, err error) {
	var d aclDocument
	if err := unmarshal(body, "AccessControlPolicy", &d); err != nil {
		return "", nil, &daypass.Error{Code: MalformedACL, Err: err}
	}
	if d.Owner == nil || d.Owner.ID == "" || d.List == nil || len(d.List.Grants) > maxGrants {
		return "", nil, &daypass.Error{Code: MalformedACL}
	}
	a = ACL{}
	for _, g := range d.List.Grants {
		grant, err := g.grant()
		if err != nil {
			return "", nil, err
		}
		a = append(a, grant)
	}
	return strings.TrimSpace(d.Owner.ID), a, nil
}

func (d *grantDocument) grant() (Grant, error) {
	g := Grant{Permission: Permission(strings.TrimSpace(string(d.Permission)))}
	switch g.Permission {
	case FullControl, Read, Write, ReadACP, WriteACP:
	default:
		return g, &daypass.Error{Code: MalformedACL}
	}
	if d.Grantee == nil {
		return g, &daypass.Error{Code: MalformedACL}
	}
	switch d.Grantee.Type {
	case "CanonicalUser":
		g.ID = strings.TrimSpace(d.Grantee.ID)
	case "Group":
		g.Group = strings.TrimSpace(d.Grantee.URI)
	case "AmazonCustomerByEmail":
		return g, unresolvable(d.Grantee.Email)
	default:
		return g, &daypass.Error{Code: MalformedACL}
	}
	return g, g.check()
}

// AppendACL appends the XML body of GetBucketAcl or GetObjectAcl. owner is the
// canonical user id of the owner; name returns the name of an account, "" where
// it is not known.
func AppendACL(dst []byte, owner string, a ACL, name func(id string) string) []byte {
	w := writer{b: dst}
	w.root("AccessControlPolicy")
	w.open("Owner")
	w.text("ID", owner)
	w.optional("DisplayName", name(owner))
	w.close("Owner")
	w.grants("AccessControlList", a, name)
	w.close("AccessControlPolicy")
	return w.b
}

// grants appends a list of grants as an element of the given name.
func (w *writer) grants(element string, a ACL, name func(id string) string) {
	w.open(element)
	for _, g := range a {
		w.open("Grant")
		w.grantee(g, name)
		w.text("Permission", string(g.Permission))
		w.close("Grant")
	}
	w.close(element)
}

func (w *writer) grantee(g Grant, name func(id string) string) {
	const open = `Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type=`
	if g.Group != "" {
		w.open(open + `"Group"`)
		w.text("URI", g.Group)
	} else {
		w.open(open + `"CanonicalUser"`)
		w.text("ID", g.ID)
		w.optional("DisplayName", name(g.ID))
	}
	w.close("Grantee")
}
