package s3

import (
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// MaxLockBody bounds the bodies of the actions on object lock, in bytes.
const MaxLockBody = 64 << 10

// A RetentionMode is GOVERNANCE or COMPLIANCE, or empty where there is none.
type RetentionMode string

// The retention modes.
const (
	Governance RetentionMode = "GOVERNANCE"
	Compliance RetentionMode = "COMPLIANCE"
)

func (m RetentionMode) known() bool { return m == Governance || m == Compliance }

// A Retention says until when a version is kept. The zero value is none.
type Retention struct {
	Mode RetentionMode
	// Until is to the millisecond.
	Until time.Time
}

// A DefaultRetention is the retention of new versions. The zero value is none.
type DefaultRetention struct {
	Mode RetentionMode
	// Days or Years is positive, the other one zero.
	Days, Years int
}

// The longest default retention (S3 User Guide, "Locking objects with Object
// Lock": 100 years).
const (
	maxRetentionDays  = 36500
	maxRetentionYears = 100
)

// ParseObjectLock parses the body of PutObjectLockConfiguration. MalformedXML,
// MissingRequestBodyError, InvalidArgument (the period), NotImplemented (event
// holds).
func ParseObjectLock(body []byte) (DefaultRetention, error) {
	var d struct {
		Enabled string `xml:"ObjectLockEnabled"`
		Rules   []struct {
			Default *defaultRetentionXML `xml:"DefaultRetention"`
		} `xml:"Rule"`
		Others []struct{} `xml:",any"` // a rule that is misspelled must not count as none
	}
	if len(body) == 0 {
		return DefaultRetention{}, &daypass.Error{Code: MissingRequestBody}
	}
	if err := unmarshal(body, "ObjectLockConfiguration", &d); err != nil {
		return DefaultRetention{}, err
	}
	switch {
	case strings.TrimSpace(d.Enabled) != Enabled || len(d.Rules) > 1 || len(d.Others) > 0:
		return DefaultRetention{}, &daypass.Error{Code: daypass.MalformedXML}
	case len(d.Rules) == 0:
		return DefaultRetention{}, nil
	case d.Rules[0].Default == nil:
		return DefaultRetention{}, &daypass.Error{Code: daypass.MalformedXML}
	}
	return d.Rules[0].Default.retention()
}

type defaultRetentionXML struct {
	Mode  string    `xml:"Mode"`
	Days  *string   `xml:"Days"`
	Years *string   `xml:"Years"`
	Event *struct{} `xml:"DefaultEventHold"`
}

func (d *defaultRetentionXML) retention() (r DefaultRetention, err error) {
	r.Mode = RetentionMode(strings.TrimSpace(d.Mode))
	switch {
	case d.Event != nil:
		return r, noEventHolds("DefaultEventHold")
	case !r.Mode.known(), (d.Days == nil) == (d.Years == nil):
		return r, &daypass.Error{Code: daypass.MalformedXML}
	case d.Days != nil:
		r.Days, err = parsePeriod("Days", *d.Days, maxRetentionDays)
	default:
		r.Years, err = parsePeriod("Years", *d.Years, maxRetentionYears)
	}
	return r, err
}

func parsePeriod(name, text string, most int) (int, error) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseInt(text, 10, 32)
	message := ""
	switch {
	case err != nil:
		return 0, &daypass.Error{Code: daypass.MalformedXML, Err: err}
	case n <= 0:
		message = "Default retention period must be a positive integer value."
	case n > int64(most):
		message = "Default retention period too large."
	default:
		return int(n), nil
	}
	return 0, &daypass.Error{Code: daypass.InvalidArgument, Message: message,
		Details: []daypass.Detail{{Name: "ArgumentName", Value: name}, {Name: "ArgumentValue", Value: text}}}
}

func noEventHolds(element string) error {
	return &daypass.Error{Code: daypass.NotImplemented, Details: []daypass.Detail{{Name: "Element", Value: element}}}
}

// AppendObjectLock appends the XML body of GetObjectLockConfiguration.
func AppendObjectLock(dst []byte, r DefaultRetention) []byte {
	w := writer{b: dst}
	w.root("ObjectLockConfiguration")
	w.text("ObjectLockEnabled", Enabled)
	if r.Mode != "" {
		w.open("Rule")
		w.open("DefaultRetention")
		w.text("Mode", string(r.Mode))
		if r.Days > 0 {
			w.int("Days", int64(r.Days))
		} else {
			w.int("Years", int64(r.Years))
		}
		w.close("DefaultRetention")
		w.close("Rule")
	}
	w.close("ObjectLockConfiguration")
	return w.b
}

// ParseRetention parses the body of PutObjectRetention; an empty element is the
// zero value, which takes a retention away. MalformedXML, NotImplemented (event
// holds).
func ParseRetention(body []byte) (r Retention, err error) {
	var d struct {
		Mode     *string   `xml:"Mode"`
		Until    *string   `xml:"RetainUntilDate"`
		Event    *struct{} `xml:"EventHold"`
		Duration *struct{} `xml:"EventHoldDuration"`
		// What is misspelled must not count as none, which takes a retention
		// away.
		Others []struct{} `xml:",any"`
	}
	if err := unmarshal(body, "Retention", &d); err != nil {
		return r, err
	}
	switch {
	case d.Event != nil, d.Duration != nil:
		return r, noEventHolds("EventHold")
	case len(d.Others) > 0:
		return r, &daypass.Error{Code: daypass.MalformedXML}
	case d.Mode == nil && d.Until == nil:
		return r, nil
	case d.Mode == nil || d.Until == nil:
		return r, &daypass.Error{Code: daypass.MalformedXML}
	}
	var ok bool
	r.Mode = RetentionMode(strings.TrimSpace(*d.Mode))
	if r.Until, ok = ParseRetainUntil(strings.TrimSpace(*d.Until)); !ok || !r.Mode.known() {
		return Retention{}, &daypass.Error{Code: daypass.MalformedXML}
	}
	return r, nil
}

// AppendRetention appends the XML body of GetObjectRetention.
func AppendRetention(dst []byte, r Retention) []byte {
	w := writer{b: dst}
	w.root("Retention")
	w.text("Mode", string(r.Mode))
	w.time("RetainUntilDate", r.Until)
	w.close("Retention")
	return w.b
}

// ParseRetainUntil parses the end of a retention, an ISO 8601 timestamp, and
// cuts it to whole milliseconds.
func ParseRetainUntil(text string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly} {
		t, err := time.Parse(layout, text)
		if t = t.UTC().Truncate(time.Millisecond); err == nil && !t.IsZero() && t.Year() <= 9999 {
			return t, true
		}
	}
	return time.Time{}, false
}

// The states of a legal hold.
const (
	LegalHoldOn  = "ON"
	LegalHoldOff = "OFF"
)

// ParseLegalHold parses the body of PutObjectLegalHold and returns ON or OFF.
// MalformedXML.
func ParseLegalHold(body []byte) (string, error) {
	var d struct {
		Status string `xml:"Status"`
	}
	if err := unmarshal(body, "LegalHold", &d); err != nil {
		return "", err
	}
	if s := strings.TrimSpace(d.Status); s == LegalHoldOn || s == LegalHoldOff {
		return s, nil
	}
	return "", &daypass.Error{Code: daypass.MalformedXML}
}

// AppendLegalHold appends the XML body of GetObjectLegalHold.
func AppendLegalHold(dst []byte, status string) []byte {
	w := writer{b: dst}
	w.root("LegalHold")
	w.text("Status", status)
	w.close("LegalHold")
	return w.b
}
