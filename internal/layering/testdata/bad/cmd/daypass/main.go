// Command daypass imports what nobody has heard of.
package main

import (
	_ "example.com/unheard/of"
	_ "github.com/daypass/daypass/store/diskstore"
)

func main() {}
