// Package layering holds no code. Its tests keep the house in order: who may
// import whom, where third-party packages are used, how long functions are,
// and what no committed line may say. The tables are in rules_test.go; to
// change a rule, change its row and docs/design.md together.
package layering
