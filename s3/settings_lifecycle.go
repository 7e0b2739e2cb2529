package s3

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A LifecycleRule says when objects of a bucket go (S3 API reference,
// LifecycleRule). As JSON it is what the AWS CLI takes.
type LifecycleRule struct {
	ID string `json:"ID,omitempty"`
	// Status is Enabled or Disabled.
	Status string `json:"Status"`
	// Prefix is the old way to say what Filter says; a rule has one of them.
	Prefix *string          `json:"Prefix,omitempty"`
	Filter *LifecycleFilter `json:"Filter,omitempty"`

	Expiration                     *LifecycleExpiration  `json:"Expiration,omitempty"`
	NoncurrentVersionExpiration    *NoncurrentExpiration `json:"NoncurrentVersionExpiration,omitempty"`
	AbortIncompleteMultipartUpload *AbortIncomplete      `json:"AbortIncompleteMultipartUpload,omitempty"`
}

// A LifecycleFilter says which objects a rule is about: all where it is empty,
// else by its one element.
type LifecycleFilter struct {
	Prefix *string `json:"Prefix,omitempty"`
	Tag    *Tag    `json:"Tag,omitempty"`
	// Sizes are in bytes; the bounds themselves are outside.
	ObjectSizeGreaterThan *int64        `json:"ObjectSizeGreaterThan,omitempty"`
	ObjectSizeLessThan    *int64        `json:"ObjectSizeLessThan,omitempty"`
	And                   *LifecycleAnd `json:"And,omitempty"`
}

// A LifecycleAnd is a filter of several elements, all of which must hold.
type LifecycleAnd struct {
	Prefix                *string `json:"Prefix,omitempty"`
	Tags                  []Tag   `json:"Tags,omitempty"`
	ObjectSizeGreaterThan *int64  `json:"ObjectSizeGreaterThan,omitempty"`
	ObjectSizeLessThan    *int64  `json:"ObjectSizeLessThan,omitempty"`
}

// A LifecycleExpiration says when current versions go; it has one element.
type LifecycleExpiration struct {
	Days *int64 `json:"Days,omitempty"`
	// Date is a midnight, UTC.
	Date *time.Time `json:"Date,omitempty"`
	// ExpiredObjectDeleteMarker removes delete markers that are the only
	// version of their key.
	ExpiredObjectDeleteMarker *bool `json:"ExpiredObjectDeleteMarker,omitempty"`
}

// A NoncurrentExpiration says when versions go that are not current.
type NoncurrentExpiration struct {
	NoncurrentDays *int64 `json:"NoncurrentDays,omitempty"`
	// NewerNoncurrentVersions is how many of them stay at any age.
	NewerNoncurrentVersions *int64 `json:"NewerNoncurrentVersions,omitempty"`
}

// An AbortIncomplete says when multipart uploads go that are not completed.
type AbortIncomplete struct {
	DaysAfterInitiation *int64 `json:"DaysAfterInitiation,omitempty"`
}

// Limits of a lifecycle configuration (S3 User Guide, "Lifecycle configuration
// elements"): the size of the document in bytes is this server's own.
const (
	MaxLifecycleBody    = 1 << 20
	MaxLifecycleRules   = 1000
	maxLifecycleID      = 255 // characters
	maxLifecyclePrefix  = 1024
	maxNewerNoncurrent  = 100
	maxLifecycleSize    = 1_099_511_627_776_000
	dayBits             = 32 // of numbers of days, as S3's schema has them
	lifecycleDateLayout = "2006-01-02"
)

// The values of x-amz-transition-default-minimum-object-size, of which the first
// is what S3 says where nothing was set (S3 API reference,
// PutBucketLifecycleConfiguration).
const (
	TransitionMinimum128K   = "all_storage_classes_128K"
	TransitionMinimumVaries = "varies_by_storage_class"
)

// ParseTransitionMinimum reads that header, which may be empty. InvalidRequest.
func ParseTransitionMinimum(value string) (string, error) {
	switch value {
	case "":
		return TransitionMinimum128K, nil
	case TransitionMinimum128K, TransitionMinimumVaries:
		return value, nil
	}
	return "", lifecycleRefused("Invalid TransitionDefaultMinimumObjectSize found")
}

// ParseLifecycle parses and checks the body of PutBucketLifecycleConfiguration:
// 1 to 1,000 rules. IDs may be missing (NameLifecycle). What this server does not
// do is refused, never left out. MalformedXML, InvalidRequest, InvalidArgument,
// NotImplemented (transitions).
func ParseLifecycle(body []byte) ([]LifecycleRule, error) {
	var doc element
	if err := unmarshal(body, "LifecycleConfiguration", &doc); err != nil {
		return nil, err
	}
	var rules []LifecycleRule
	transits := false
	err := doc.each(map[string]func(*element) error{"Rule": func(e *element) error {
		if len(rules) >= MaxLifecycleRules {
			return lifecycleRefused("The number of lifecycle rules must not exceed the allowed limit of 1000 rules.")
		}
		r, t, err := parseLifecycleRule(e)
		rules, transits = append(rules, r), transits || t
		return err
	}}, "Rule")
	if err == nil {
		err = CheckLifecycle(rules, transits)
	}
	if err != nil {
		return nil, err
	}
	return rules, nil
}

// parseLifecycleRule reads a rule, and reports whether it has transitions, of
// which nothing more is read.
func parseLifecycleRule(e *element) (r LifecycleRule, transits bool, err error) {
	var id, status *string
	transition := func(*element) error { transits = true; return nil }
	err = e.each(map[string]func(*element) error{
		"ID": intoText(&id), "Status": intoText(&status), "Prefix": intoText(&r.Prefix),
		"Filter": func(e *element) (err error) { r.Filter, err = parseLifecycleFilter(e); return err },
		"Expiration": func(e *element) error {
			r.Expiration = &LifecycleExpiration{}
			return e.each(map[string]func(*element) error{"Days": intoInt(&r.Expiration.Days, dayBits),
				"Date": intoDate(&r.Expiration.Date), "ExpiredObjectDeleteMarker": intoBool(&r.Expiration.ExpiredObjectDeleteMarker)})
		},
		"NoncurrentVersionExpiration": func(e *element) error {
			n := &NoncurrentExpiration{}
			r.NoncurrentVersionExpiration = n
			return e.each(map[string]func(*element) error{"NoncurrentDays": intoInt(&n.NoncurrentDays, dayBits),
				"NewerNoncurrentVersions": intoInt(&n.NewerNoncurrentVersions, dayBits)})
		},
		"AbortIncompleteMultipartUpload": func(e *element) error {
			r.AbortIncompleteMultipartUpload = &AbortIncomplete{}
			return e.each(map[string]func(*element) error{"DaysAfterInitiation": intoInt(&r.AbortIncompleteMultipartUpload.DaysAfterInitiation, dayBits)})
		},
		"Transition": transition, "NoncurrentVersionTransition": transition,
	}, "Transition", "NoncurrentVersionTransition")
	if id != nil {
		r.ID = *id
	}
	if status != nil {
		r.Status = strings.TrimSpace(*status)
	}
	return r, transits, err
}

func parseLifecycleFilter(e *element) (*LifecycleFilter, error) {
	var f LifecycleFilter
	return &f, e.each(map[string]func(*element) error{
		"Prefix": intoText(&f.Prefix), "ObjectSizeGreaterThan": intoInt(&f.ObjectSizeGreaterThan, 64),
		"ObjectSizeLessThan": intoInt(&f.ObjectSizeLessThan, 64),
		"Tag":                func(e *element) (err error) { f.Tag, err = parseTag(e); return err },
		"And": func(e *element) error {
			f.And = &LifecycleAnd{}
			return e.each(map[string]func(*element) error{
				"Prefix": intoText(&f.And.Prefix), "ObjectSizeGreaterThan": intoInt(&f.And.ObjectSizeGreaterThan, 64),
				"ObjectSizeLessThan": intoInt(&f.And.ObjectSizeLessThan, 64),
				"Tag": func(e *element) error {
					t, err := parseTag(e)
					f.And.Tags = append(f.And.Tags, *t)
					return err
				}}, "Tag")
		},
	})
}

func parseTag(e *element) (*Tag, error) {
	var key, value *string
	err := e.each(map[string]func(*element) error{"Key": intoText(&key), "Value": intoText(&value)})
	if err == nil && (key == nil || value == nil) {
		err = errMalformed()
	}
	if err != nil {
		return &Tag{}, err
	}
	return &Tag{*key, *value}, nil
}

// intoDate returns a reader of a date in ISO 8601, with or without a time.
func intoDate(to **time.Time) func(*element) error {
	return func(e *element) error {
		text, err := e.leaf()
		if err != nil {
			return err
		}
		text = strings.TrimSpace(text)
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t, err = time.Parse(lifecycleDateLayout, text)
		}
		if err != nil {
			return errMalformed()
		}
		t = t.UTC()
		*to = &t
		return nil
	}
}

// NameLifecycle gives rules without an ID one, of make.
func NameLifecycle(rules []LifecycleRule, make func() (string, error)) (err error) {
	for i := range rules {
		if rules[i].ID != "" {
			continue
		}
		if rules[i].ID, err = make(); err != nil {
			return err
		}
	}
	return nil
}

// AppendLifecycle appends the XML body of GetBucketLifecycleConfiguration.
func AppendLifecycle(dst []byte, rules []LifecycleRule) []byte {
	w := writer{b: dst}
	w.root("LifecycleConfiguration")
	for i := range rules {
		w.lifecycleRule(&rules[i])
	}
	w.close("LifecycleConfiguration")
	return w.b
}

func (w *writer) lifecycleRule(r *LifecycleRule) {
	w.open("Rule")
	w.optional("ID", r.ID)
	if f := r.Filter; f != nil {
		w.open("Filter")
		w.given("Prefix", f.Prefix)
		w.givenInt("ObjectSizeGreaterThan", f.ObjectSizeGreaterThan)
		w.givenInt("ObjectSizeLessThan", f.ObjectSizeLessThan)
		if f.Tag != nil {
			w.tag(*f.Tag)
		}
		if a := f.And; a != nil {
			w.open("And")
			w.given("Prefix", a.Prefix)
			for _, t := range a.Tags {
				w.tag(t)
			}
			w.givenInt("ObjectSizeGreaterThan", a.ObjectSizeGreaterThan)
			w.givenInt("ObjectSizeLessThan", a.ObjectSizeLessThan)
			w.close("And")
		}
		w.close("Filter")
	}
	w.given("Prefix", r.Prefix)
	w.text("Status", r.Status)
	w.lifecycleActions(r)
	w.close("Rule")
}

func (w *writer) lifecycleActions(r *LifecycleRule) {
	if e := r.Expiration; e != nil {
		w.open("Expiration")
		w.givenInt("Days", e.Days)
		if e.Date != nil {
			w.time("Date", *e.Date)
		}
		if e.ExpiredObjectDeleteMarker != nil {
			w.bool("ExpiredObjectDeleteMarker", *e.ExpiredObjectDeleteMarker)
		}
		w.close("Expiration")
	}
	if n := r.NoncurrentVersionExpiration; n != nil {
		w.open("NoncurrentVersionExpiration")
		w.givenInt("NewerNoncurrentVersions", n.NewerNoncurrentVersions)
		w.givenInt("NoncurrentDays", n.NoncurrentDays)
		w.close("NoncurrentVersionExpiration")
	}
	if a := r.AbortIncompleteMultipartUpload; a != nil {
		w.open("AbortIncompleteMultipartUpload")
		w.givenInt("DaysAfterInitiation", a.DaysAfterInitiation)
		w.close("AbortIncompleteMultipartUpload")
	}
}

func (w *writer) tag(t Tag) {
	w.open("Tag")
	w.text("Key", t.Key)
	w.text("Value", t.Value)
	w.close("Tag")
}

// given is text for what may be missing, which is not the same as empty.
func (w *writer) given(name string, value *string) {
	if value != nil {
		w.text(name, *value)
	}
}

func (w *writer) givenInt(name string, n *int64) {
	if n != nil {
		w.int(name, *n)
	}
}

// tooLong reports whether a text has more than most characters.
func tooLong(s string, most int) bool { return utf8.RuneCountInString(s) > most }
