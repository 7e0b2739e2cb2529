package s3

import (
	"net/url"
	"slices"
	"strings"

	"github.com/daypass/daypass"
)

// The names of events as notifications have them (S3 User Guide, "Supported
// event types for SQS, SNS, and Lambda").
const (
	EventCreatedPut      = "s3:ObjectCreated:Put"
	EventCreatedPost     = "s3:ObjectCreated:Post"
	EventCreatedCopy     = "s3:ObjectCreated:Copy"
	EventCreatedComplete = "s3:ObjectCreated:CompleteMultipartUpload"
	EventRemovedDelete   = "s3:ObjectRemoved:Delete"
	EventRemovedMarker   = "s3:ObjectRemoved:DeleteMarkerCreated"
	EventTaggingPut      = "s3:ObjectTagging:Put"
	EventTaggingDelete   = "s3:ObjectTagging:Delete"
	EventACLPut          = "s3:ObjectAcl:Put"
	EventExpiredDelete   = "s3:LifecycleExpiration:Delete"
	EventExpiredMarker   = "s3:LifecycleExpiration:DeleteMarkerCreated"
	// EventTest is sent when a configuration is put.
	EventTest = "s3:TestEvent"
)

// notificationEvents are the events that a configuration may name, and whether
// this server has them. Those that it lacks are refused, since whoever waits
// for one would wait for ever.
var notificationEvents = map[string]bool{
	"s3:ObjectCreated:*": true, EventCreatedPut: true, EventCreatedPost: true, EventCreatedCopy: true, EventCreatedComplete: true,
	"s3:ObjectRemoved:*": true, EventRemovedDelete: true, EventRemovedMarker: true,
	"s3:ObjectTagging:*": true, EventTaggingPut: true, EventTaggingDelete: true,
	EventACLPut:                true,
	"s3:LifecycleExpiration:*": true, EventExpiredDelete: true, EventExpiredMarker: true,

	"s3:ReducedRedundancyLostObject": false,
	"s3:ObjectRestore:*":             false, "s3:ObjectRestore:Post": false, "s3:ObjectRestore:Completed": false, "s3:ObjectRestore:Delete": false,
	"s3:Replication:*": false, "s3:Replication:OperationFailedReplication": false, "s3:Replication:OperationMissedThreshold": false,
	"s3:Replication:OperationReplicatedAfterThreshold": false, "s3:Replication:OperationNotTracked": false,
	"s3:LifecycleTransition": false, "s3:IntelligentTiering": false,
}

// A DestinationKind is what S3 takes a destination for.
type DestinationKind string

// The kinds of destinations.
const (
	TopicDestination    DestinationKind = "Topic"
	QueueDestination    DestinationKind = "Queue"
	FunctionDestination DestinationKind = "CloudFunction"
)

// A Notification says which events of a bucket go where.
type Notification struct {
	ID   string
	Kind DestinationKind
	// ARN names the destination.
	ARN string
	// Events are names of events, or with "*" at the end all of a kind.
	Events []string
	// Prefix and Suffix are what keys begin and end with, as they were given:
	// with "+" for a space and other characters percent-encoded (S3 User Guide,
	// "Configuring event notifications using object key name filtering").
	Prefix, Suffix string
}

// Notifications are those of a bucket.
type Notifications []Notification

// Bounds of notifications: how many a bucket has at most, and the length of
// filters and ids in bytes.
const (
	maxNotifications  = 100
	maxFilterValue    = 1024
	maxNotificationID = 255
)

// xmlNotification is any of the three kinds of configurations.
type xmlNotification struct {
	ID       string   `xml:"Id"`
	Topic    string   `xml:"Topic"`
	Queue    string   `xml:"Queue"`
	Function string   `xml:"CloudFunction"`
	Events   []string `xml:"Event"`
	Rules    []struct {
		Name  string  `xml:"Name"`
		Value *string `xml:"Value"`
	} `xml:"Filter>S3Key>FilterRule"`
}

// ParseNotifications parses the body of PutBucketNotificationConfiguration; one
// that names nothing has none. Configurations without an id are left without.
// MalformedXML, InvalidArgument, NotImplemented.
func ParseNotifications(body []byte) (Notifications, error) {
	var d struct {
		Topics      []xmlNotification `xml:"TopicConfiguration"`
		Queues      []xmlNotification `xml:"QueueConfiguration"`
		Functions   []xmlNotification `xml:"CloudFunctionConfiguration"`
		EventBridge *struct{}         `xml:"EventBridgeConfiguration"`
		Others      []struct{}        `xml:",any"` // nobody would be told
	}
	if err := unmarshal(body, "NotificationConfiguration", &d); err != nil {
		return nil, err
	}
	if len(d.Others) > 0 {
		return nil, &daypass.Error{Code: daypass.MalformedXML}
	}
	if d.EventBridge != nil {
		return nil, &daypass.Error{Code: daypass.NotImplemented, Message: "Notifications to Amazon EventBridge are not implemented."}
	}
	if len(d.Topics)+len(d.Queues)+len(d.Functions) > maxNotifications {
		return nil, notificationRefused("A bucket can have at most 100 notification configurations.", "NotificationConfiguration", "")
	}
	var all Notifications
	for _, of := range []struct {
		kind DestinationKind
		list []xmlNotification
	}{{TopicDestination, d.Topics}, {QueueDestination, d.Queues}, {FunctionDestination, d.Functions}} {
		for i := range of.list {
			n, err := of.list[i].parse(of.kind)
			if err != nil {
				return nil, err
			}
			all = append(all, n)
		}
	}
	return all, all.check()
}

func (x *xmlNotification) parse(kind DestinationKind) (n Notification, err error) {
	n = Notification{ID: strings.TrimSpace(x.ID), Kind: kind}
	for k, arn := range map[DestinationKind]string{TopicDestination: x.Topic, QueueDestination: x.Queue, FunctionDestination: x.Function} {
		if arn = strings.TrimSpace(arn); k == kind {
			n.ARN = arn
		} else if arn != "" {
			return n, &daypass.Error{Code: daypass.MalformedXML}
		}
	}
	if n.ARN == "" || len(x.Events) == 0 {
		return n, &daypass.Error{Code: daypass.MalformedXML}
	}
	if len(n.ID) > maxNotificationID {
		return n, notificationRefused("ID length should not exceed allowed limit of 255", "Id", n.ID)
	}
	for _, e := range x.Events {
		e = strings.TrimSpace(e)
		has, known := notificationEvents[e]
		switch {
		case !known:
			return n, notificationRefused("The event is not supported for notifications", "Event", e)
		case !has:
			return n, &daypass.Error{Code: daypass.NotImplemented, Message: "Notifications of the event " + e + " are not implemented."}
		case !slices.Contains(n.Events, e):
			n.Events = append(n.Events, e)
		}
	}
	return n, x.filter(&n)
}

// filter takes over the rules of a filter.
func (x *xmlNotification) filter(n *Notification) error {
	seen := ""
	for _, r := range x.Rules {
		if r.Value == nil {
			return &daypass.Error{Code: daypass.MalformedXML}
		}
		name := strings.ToLower(strings.TrimSpace(r.Name))
		to := &n.Prefix
		switch name {
		case "prefix":
		case "suffix":
			to = &n.Suffix
		default:
			return notificationRefused("filter rule name must be either prefix or suffix", "FilterRule.Name", r.Name)
		}
		if strings.Contains(seen, name) {
			return notificationRefused("Cannot specify more than one "+name+" rule in a filter.", "FilterRule.Name", r.Name)
		}
		if len(*r.Value) > maxFilterValue {
			return notificationRefused("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation", "FilterRule.Value", *r.Value)
		}
		seen += name
		*to = *r.Value
	}
	return nil
}

func notificationRefused(message, name, value string) error {
	return &daypass.Error{Code: daypass.InvalidArgument, Message: message,
		Details: []daypass.Detail{{Name: "ArgumentName", Value: name}, {Name: "ArgumentValue", Value: value}}}
}

// check refuses ids that are used twice, and configurations by which one event
// would have two destinations.
func (all Notifications) check() error {
	ids := make(map[string]bool)
	for i := range all {
		n := &all[i]
		if n.ID != "" && ids[n.ID] {
			return notificationRefused("Same ID used for multiple configurations. IDs must be unique", "Id", n.ID)
		}
		ids[n.ID] = true
		for j := range i {
			if !n.overlaps(&all[j]) {
				continue
			}
			if n.Prefix+n.Suffix+all[j].Prefix+all[j].Suffix == "" {
				return notificationRefused("Configurations overlap. Configurations on the same bucket cannot share a common event type.", "Event", n.Events[0])
			}
			return notificationRefused("Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules "+
				"if the prefixes are overlapping for the same event type.", "Event", n.Events[0])
		}
	}
	return nil
}

// overlaps reports whether there could be an event that both are for.
func (n *Notification) overlaps(m *Notification) bool {
	p, q := decodeFilter(n.Prefix), decodeFilter(m.Prefix)
	if !strings.HasPrefix(p, q) && !strings.HasPrefix(q, p) {
		return false
	}
	p, q = decodeFilter(n.Suffix), decodeFilter(m.Suffix)
	if !strings.HasSuffix(p, q) && !strings.HasSuffix(q, p) {
		return false
	}
	for _, a := range n.Events {
		for _, b := range m.Events {
			if covers(a, b) || covers(b, a) {
				return true
			}
		}
	}
	return false
}

// covers reports whether a name stands for an event, or for all that another
// one does.
func covers(name, event string) bool {
	kind, all := strings.CutSuffix(name, "*")
	return name == event || all && strings.HasPrefix(event, kind)
}

// decodeFilter returns the text that a filter means. One that is not encoded
// properly means itself.
func decodeFilter(value string) string {
	if text, err := url.QueryUnescape(value); err == nil {
		return text
	}
	return value
}

// Matches reports whether an event on a key is one of the notification's.
func (n *Notification) Matches(event, key string) bool {
	for _, e := range n.Events {
		if covers(e, event) {
			return strings.HasPrefix(key, decodeFilter(n.Prefix)) && strings.HasSuffix(key, decodeFilter(n.Suffix))
		}
	}
	return false
}

// Append appends the XML body of GetBucketNotificationConfiguration.
func (all Notifications) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("NotificationConfiguration")
	for i := range all {
		n := &all[i]
		w.open(string(n.Kind) + "Configuration")
		w.optional("Id", n.ID)
		w.text(string(n.Kind), n.ARN)
		w.texts("Event", n.Events)
		n.appendFilter(&w)
		w.close(string(n.Kind) + "Configuration")
	}
	w.close("NotificationConfiguration")
	return w.b
}

func (n *Notification) appendFilter(w *writer) {
	if n.Prefix == "" && n.Suffix == "" {
		return
	}
	w.open("Filter")
	w.open("S3Key")
	for _, r := range []struct{ name, value string }{{"Prefix", n.Prefix}, {"Suffix", n.Suffix}} {
		if r.value != "" {
			w.open("FilterRule")
			w.text("Name", r.name)
			w.text("Value", r.value)
			w.close("FilterRule")
		}
	}
	w.close("S3Key")
	w.close("Filter")
}

// services are what destinations of each kind are at AWS.
var services = map[DestinationKind]string{TopicDestination: "sns", QueueDestination: "sqs", FunctionDestination: "lambda"}

// DestinationName returns the name in the ARN of a destination and its region,
// which may be empty. The forms are arn:aws:sqs:REGION:ACCOUNT:NAME,
// arn:aws:sns:REGION:ACCOUNT:NAME and
// arn:aws:lambda:REGION:ACCOUNT:function:NAME, by the kind. InvalidArgument.
func (n *Notification) DestinationName() (name, region string, err error) {
	parts := strings.SplitN(n.ARN, ":", 6)
	malformed := notificationRefused("The ARN is not well formed", string(n.Kind), n.ARN)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] != services[n.Kind] || strings.Trim(parts[4], "0123456789") != "" {
		return "", "", malformed
	}
	name = parts[5]
	if n.Kind == FunctionDestination {
		var ok bool
		if name, ok = strings.CutPrefix(name, "function:"); !ok {
			return "", "", malformed
		}
	}
	if name == "" || strings.Contains(name, ":") {
		return "", "", malformed
	}
	return name, parts[3], nil
}
