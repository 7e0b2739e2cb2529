// Package sign imports more than the standard library.
package sign

import (
	_ "crypto/hmac"

	_ "github.com/daypass/daypass"
	_ "golang.org/x/crypto"
)
