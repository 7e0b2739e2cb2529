package s3

import (
	"strings"

	"github.com/daypass/daypass"
)

// A DateSource is whose time the keys of log objects have (S3 API reference,
// PartitionedPrefix).
type DateSource string

// The date sources.
const (
	// EventTime dates keys by the day of the requests, which are of one day
	// in each object.
	EventTime DateSource = "EventTime"
	// DeliveryTime dates keys by the time of the delivery.
	DeliveryTime DateSource = "DeliveryTime"
)

// A KeyFormat is how the keys of log objects are made (S3 API reference,
// TargetObjectKeyFormat).
type KeyFormat string

// The key formats.
const (
	SimplePrefix      KeyFormat = "SimplePrefix"
	PartitionedPrefix KeyFormat = "PartitionedPrefix"
)

// A Logging says where the server access log of a bucket goes (S3 API
// reference, LoggingEnabled).
type Logging struct {
	// TargetBucket is the bucket, and TargetPrefix what the keys of log
	// objects in it begin with, which may be nothing.
	TargetBucket, TargetPrefix string
	// Grants say who may do what with log objects, beside their owner.
	Grants ACL
	// Format is empty where none was given, which means SimplePrefix.
	Format KeyFormat
	// DateSource is for PartitionedPrefix; empty where none was given, which
	// means EventTime.
	DateSource DateSource
}

// ByEventTime reports whether keys are dated by the day of the requests.
func (l *Logging) ByEventTime() bool {
	return l.Format == PartitionedPrefix && l.DateSource != DeliveryTime
}

// loggingDocument is the body of PutBucketLogging.
type loggingDocument struct {
	Enabled *struct {
		TargetBucket string  `xml:"TargetBucket"`
		TargetPrefix *string `xml:"TargetPrefix"`
		Grants       struct {
			Grants []grantDocument `xml:"Grant"`
		} `xml:"TargetGrants"`
		Format *struct {
			Simple      *struct{} `xml:"SimplePrefix"`
			Partitioned *struct {
				DateSource DateSource `xml:"PartitionDateSource"`
			} `xml:"PartitionedPrefix"`
		} `xml:"TargetObjectKeyFormat"`
	} `xml:"LoggingEnabled"`
}

// ParseLogging parses the body of PutBucketLogging: nil where it turns logging
// off. MalformedXML, InvalidArgument, UnresolvableGrantByEmailAddress.
func ParseLogging(body []byte) (*Logging, error) {
	var d loggingDocument
	if err := unmarshal(body, "BucketLoggingStatus", &d); err != nil {
		return nil, err
	}
	e := d.Enabled
	if e == nil {
		return nil, nil
	}
	l := &Logging{TargetBucket: strings.TrimSpace(e.TargetBucket)}
	if l.TargetBucket == "" || e.TargetPrefix == nil || len(e.Grants.Grants) > maxGrants {
		return nil, &daypass.Error{Code: daypass.MalformedXML}
	}
	l.TargetPrefix = *e.TargetPrefix
	for i := range e.Grants.Grants {
		g, err := e.Grants.Grants[i].grant()
		if daypass.CodeOf(err) == MalformedACL {
			return nil, &daypass.Error{Code: daypass.MalformedXML, Err: err}
		}
		if err != nil {
			return nil, err
		}
		l.Grants = append(l.Grants, g)
	}
	if f := e.Format; f != nil {
		switch {
		case (f.Simple == nil) == (f.Partitioned == nil):
			return nil, &daypass.Error{Code: daypass.MalformedXML}
		case f.Simple != nil:
			l.Format = SimplePrefix
		default:
			l.Format, l.DateSource = PartitionedPrefix, DateSource(strings.TrimSpace(string(f.Partitioned.DateSource)))
		}
	}
	switch l.DateSource {
	case "", EventTime, DeliveryTime:
		return l, nil
	}
	return nil, &daypass.Error{Code: daypass.MalformedXML}
}

// AppendLogging appends the XML body of GetBucketLogging and PutBucketLogging;
// nil is a bucket without logging.
func AppendLogging(dst []byte, l *Logging) []byte {
	w := writer{b: dst}
	w.root("BucketLoggingStatus")
	if l != nil {
		w.open("LoggingEnabled")
		w.text("TargetBucket", l.TargetBucket)
		w.text("TargetPrefix", l.TargetPrefix)
		if len(l.Grants) > 0 {
			w.grants("TargetGrants", l.Grants, func(string) string { return "" })
		}
		w.keyFormat(l)
		w.close("LoggingEnabled")
	}
	w.close("BucketLoggingStatus")
	return w.b
}

func (w *writer) keyFormat(l *Logging) {
	switch l.Format {
	case SimplePrefix:
		w.open("TargetObjectKeyFormat")
		w.text("SimplePrefix", "")
	case PartitionedPrefix:
		w.open("TargetObjectKeyFormat")
		w.open("PartitionedPrefix")
		w.optional("PartitionDateSource", string(l.DateSource))
		w.close("PartitionedPrefix")
	default:
		return
	}
	w.close("TargetObjectKeyFormat")
}
