package server

import "github.com/daypass/daypass"

// settings are the actions that read and change settings of buckets and ACLs.
var settings = map[daypass.Action]operation{}
