// Package server imports a driver.
package server

import (
	_ "net/http"

	_ "github.com/daypass/daypass/store"
	_ "github.com/daypass/daypass/store/diskstore"
)
