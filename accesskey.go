package daypass

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// An AccessKey is an id and a secret that signs.
type AccessKey struct {
	ID     string
	Secret Secret
	// Owner is the account that the key acts for; what it creates belongs to
	// that account.
	Owner string
	// Name is a label for people.
	Name    string
	Created time.Time
	// Expires is when the key ends; zero when it does not.
	Expires time.Time
	// Disabled keys are refused as if they did not exist.
	Disabled bool
	// DisabledAt is when it was disabled and DisabledBy the access key that did
	// it, or "local" for the operator. They are zero where the key is not
	// disabled, or was before this was kept.
	DisabledAt time.Time
	DisabledBy string
	// Root says that the key may do everything and cannot be removed through
	// the admin API.
	Root bool
	// Policy is the IAM policy document that says what the key may do; empty
	// lets it act as its account.
	Policy string
	// Session is what makes a temporary key; nil for a lasting one.
	Session *Session
}

// A Session is what distinguishes a temporary access key.
type Session struct {
	// Token must come with every signature that the key makes.
	Token Secret
	// Parent is the lasting key that asked for it; when that one ends or loses
	// a permission, so does the session.
	Parent string
	// Name is the name that the caller gave to the session.
	Name string
	// Role is the ARN of the assumed role, empty where none was.
	Role string
	// Policy narrows what the parent may do; empty narrows nothing.
	Policy string
}

// A Secret is text that must not reach a log: printing it by any verb of fmt,
// by log/slog or by encoding/json shows a placeholder. Convert it to string
// where the secret itself is needed.
type Secret string

const redacted = "REDACTED"

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// Format writes a placeholder, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
