// Package util has a vague name.
package util
