package server

import (
	_ "example.com/unheard/of"
	_ "github.com/daypass/daypass/store/diskstore"
	_ "github.com/google/go-cmp/cmp"
)

var seen int

func count() { seen++ }

func init() {}
