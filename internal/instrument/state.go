package instrument

import (
	"context"
	"time"

	"github.com/daypass/daypass/state"
)

// The operations, in the order of their names below.
const (
	doInsertKey = iota
	doKey
	doListKeys
	doSetKeyDisabled
	doSetKeyPolicy
	doDeleteKey
	doRootKey
	doReplaceRoot
	doSetting
	doInitSetting
	doSetSetting
	doBucketSettings
	doSetBucketSetting
	doHasBucketSetting
	doDeleteBucketSettings
	doChanges
	doUpdateEntry
	doEntry
	doPassEntries
	doDeletePassEntries
	doExpireEntries
	doInsertRevocation
	doLiftRevocations
	doRevocations
	doExpireRevocations
	doAddPasses
	doPass
	doListPasses
	doExpirePasses
	doInsertLink
	doLink
	doListLinks
	doDeleteLink
	doExpireLinks
)

// StateOperations are the names of a state driver's operations, by index.
func StateOperations() []string {
	return []string{
		doInsertKey:            "InsertKey",
		doKey:                  "Key",
		doListKeys:             "ListKeys",
		doSetKeyDisabled:       "SetKeyDisabled",
		doSetKeyPolicy:         "SetKeyPolicy",
		doDeleteKey:            "DeleteKey",
		doRootKey:              "RootKey",
		doReplaceRoot:          "ReplaceRoot",
		doSetting:              "Setting",
		doInitSetting:          "InitSetting",
		doSetSetting:           "SetSetting",
		doBucketSettings:       "BucketSettings",
		doSetBucketSetting:     "SetBucketSetting",
		doHasBucketSetting:     "HasBucketSetting",
		doDeleteBucketSettings: "DeleteBucketSettings",
		doChanges:              "Changes",
		doUpdateEntry:          "UpdateEntry",
		doEntry:                "Entry",
		doPassEntries:          "PassEntries",
		doDeletePassEntries:    "DeletePassEntries",
		doExpireEntries:        "ExpireEntries",
		doInsertRevocation:     "InsertRevocation",
		doLiftRevocations:      "LiftRevocations",
		doRevocations:          "Revocations",
		doExpireRevocations:    "ExpireRevocations",
		doAddPasses:            "AddPasses",
		doPass:                 "Pass",
		doListPasses:           "ListPasses",
		doExpirePasses:         "ExpirePasses",
		doInsertLink:           "InsertLink",
		doLink:                 "Link",
		doListLinks:            "ListLinks",
		doDeleteLink:           "DeleteLink",
		doExpireLinks:          "ExpireLinks",
	}
}

// A stateDriver is a state driver whose calls are instrumented.
type stateDriver struct {
	state.Driver
	calls calls
}

// State returns a driver that does what d does and tells how long it takes.
// durations and steps may be nil.
func State(d state.Driver, durations Durations, steps Steps) state.Driver {
	return &stateDriver{d, newCalls("state.", StateOperations(), durations, steps)}
}

// InsertKey implements state.KeyDriver.
func (d *stateDriver) InsertKey(ctx context.Context, k state.KeyRecord) (err error) {
	ctx, c := d.calls.begin(ctx, doInsertKey)
	defer c.done(&err)
	return d.Driver.InsertKey(ctx, k)
}

// Key implements state.KeyDriver.
func (d *stateDriver) Key(ctx context.Context, id string) (_ state.KeyRecord, err error) {
	ctx, c := d.calls.begin(ctx, doKey)
	defer c.done(&err)
	return d.Driver.Key(ctx, id)
}

// ListKeys implements state.KeyDriver.
func (d *stateDriver) ListKeys(ctx context.Context, after string, max int) (_ []state.KeyRecord, err error) {
	ctx, c := d.calls.begin(ctx, doListKeys)
	defer c.done(&err)
	return d.Driver.ListKeys(ctx, after, max)
}

// SetKeyDisabled implements state.KeyDriver.
func (d *stateDriver) SetKeyDisabled(ctx context.Context, id string, disabled bool, at time.Time, by string) (err error) {
	ctx, c := d.calls.begin(ctx, doSetKeyDisabled)
	defer c.done(&err)
	return d.Driver.SetKeyDisabled(ctx, id, disabled, at, by)
}

// SetKeyPolicy implements state.KeyDriver.
func (d *stateDriver) SetKeyPolicy(ctx context.Context, id, policy string) (err error) {
	ctx, c := d.calls.begin(ctx, doSetKeyPolicy)
	defer c.done(&err)
	return d.Driver.SetKeyPolicy(ctx, id, policy)
}

// DeleteKey implements state.KeyDriver.
func (d *stateDriver) DeleteKey(ctx context.Context, id string) (err error) {
	ctx, c := d.calls.begin(ctx, doDeleteKey)
	defer c.done(&err)
	return d.Driver.DeleteKey(ctx, id)
}

// RootKey implements state.KeyDriver.
func (d *stateDriver) RootKey(ctx context.Context) (_ state.KeyRecord, err error) {
	ctx, c := d.calls.begin(ctx, doRootKey)
	defer c.done(&err)
	return d.Driver.RootKey(ctx)
}

// ReplaceRoot implements state.KeyDriver.
func (d *stateDriver) ReplaceRoot(ctx context.Context, k state.KeyRecord) (err error) {
	ctx, c := d.calls.begin(ctx, doReplaceRoot)
	defer c.done(&err)
	return d.Driver.ReplaceRoot(ctx, k)
}

// Setting implements state.SettingDriver.
func (d *stateDriver) Setting(ctx context.Context, name string) (_ []byte, err error) {
	ctx, c := d.calls.begin(ctx, doSetting)
	defer c.done(&err)
	return d.Driver.Setting(ctx, name)
}

// InitSetting implements state.SettingDriver.
func (d *stateDriver) InitSetting(ctx context.Context, name string, value []byte) (_ []byte, err error) {
	ctx, c := d.calls.begin(ctx, doInitSetting)
	defer c.done(&err)
	return d.Driver.InitSetting(ctx, name, value)
}

// SetSetting implements state.Driver.
func (d *stateDriver) SetSetting(ctx context.Context, name string, value []byte) (err error) {
	ctx, c := d.calls.begin(ctx, doSetSetting)
	defer c.done(&err)
	return d.Driver.SetSetting(ctx, name, value)
}

// BucketSettings implements state.SettingDriver.
func (d *stateDriver) BucketSettings(ctx context.Context, bucketID string) (_ map[string][]byte, err error) {
	ctx, c := d.calls.begin(ctx, doBucketSettings)
	defer c.done(&err)
	return d.Driver.BucketSettings(ctx, bucketID)
}

// SetBucketSetting implements state.SettingDriver.
func (d *stateDriver) SetBucketSetting(ctx context.Context, bucketID, name string, value []byte) (err error) {
	ctx, c := d.calls.begin(ctx, doSetBucketSetting)
	defer c.done(&err)
	return d.Driver.SetBucketSetting(ctx, bucketID, name, value)
}

// HasBucketSetting implements state.SettingDriver.
func (d *stateDriver) HasBucketSetting(ctx context.Context, name string) (_ bool, err error) {
	ctx, c := d.calls.begin(ctx, doHasBucketSetting)
	defer c.done(&err)
	return d.Driver.HasBucketSetting(ctx, name)
}

// DeleteBucketSettings implements state.SettingDriver.
func (d *stateDriver) DeleteBucketSettings(ctx context.Context, bucketID string) (err error) {
	ctx, c := d.calls.begin(ctx, doDeleteBucketSettings)
	defer c.done(&err)
	return d.Driver.DeleteBucketSettings(ctx, bucketID)
}

// Changes implements state.SettingDriver.
func (d *stateDriver) Changes(ctx context.Context) (_ int64, err error) {
	ctx, c := d.calls.begin(ctx, doChanges)
	defer c.done(&err)
	return d.Driver.Changes(ctx)
}

// Changed implements state.Notifier, for drivers that do.
func (d *stateDriver) Changed() <-chan struct{} {
	if n, ok := d.Driver.(state.Notifier); ok {
		return n.Changed()
	}
	return nil
}

// UpdateEntry implements state.LedgerDriver.
func (d *stateDriver) UpdateEntry(ctx context.Context, id string, change func(old *state.EntryRecord) (*state.EntryRecord, error)) (err error) {
	ctx, c := d.calls.begin(ctx, doUpdateEntry)
	defer c.done(&err)
	return d.Driver.UpdateEntry(ctx, id, change)
}

// Entry implements state.LedgerDriver.
func (d *stateDriver) Entry(ctx context.Context, id string) (_ *state.EntryRecord, err error) {
	ctx, c := d.calls.begin(ctx, doEntry)
	defer c.done(&err)
	return d.Driver.Entry(ctx, id)
}

// PassEntries implements state.LedgerDriver.
func (d *stateDriver) PassEntries(ctx context.Context, pass, after string, max int) (_ []state.EntryRecord, err error) {
	ctx, c := d.calls.begin(ctx, doPassEntries)
	defer c.done(&err)
	return d.Driver.PassEntries(ctx, pass, after, max)
}

// DeletePassEntries implements state.LedgerDriver.
func (d *stateDriver) DeletePassEntries(ctx context.Context, pass string) (err error) {
	ctx, c := d.calls.begin(ctx, doDeletePassEntries)
	defer c.done(&err)
	return d.Driver.DeletePassEntries(ctx, pass)
}

// ExpireEntries implements state.LedgerDriver.
func (d *stateDriver) ExpireEntries(ctx context.Context, t time.Time, max int) (_ int, err error) {
	ctx, c := d.calls.begin(ctx, doExpireEntries)
	defer c.done(&err)
	return d.Driver.ExpireEntries(ctx, t, max)
}

// InsertRevocation implements state.RevocationDriver.
func (d *stateDriver) InsertRevocation(ctx context.Context, r state.RevocationRecord) (_ int64, err error) {
	ctx, c := d.calls.begin(ctx, doInsertRevocation)
	defer c.done(&err)
	return d.Driver.InsertRevocation(ctx, r)
}

// LiftRevocations implements state.RevocationDriver.
func (d *stateDriver) LiftRevocations(ctx context.Context, ids []string, t time.Time) (_ int, err error) {
	ctx, c := d.calls.begin(ctx, doLiftRevocations)
	defer c.done(&err)
	return d.Driver.LiftRevocations(ctx, ids, t)
}

// Revocations implements state.RevocationDriver.
func (d *stateDriver) Revocations(ctx context.Context, after int64, max int) (_ []state.RevocationRecord, err error) {
	ctx, c := d.calls.begin(ctx, doRevocations)
	defer c.done(&err)
	return d.Driver.Revocations(ctx, after, max)
}

// ExpireRevocations implements state.RevocationDriver.
func (d *stateDriver) ExpireRevocations(ctx context.Context, t time.Time, max int) (_ int, err error) {
	ctx, c := d.calls.begin(ctx, doExpireRevocations)
	defer c.done(&err)
	return d.Driver.ExpireRevocations(ctx, t, max)
}

// AddPasses implements state.PassDriver.
func (d *stateDriver) AddPasses(ctx context.Context, seen []state.PassRecord) (err error) {
	ctx, c := d.calls.begin(ctx, doAddPasses)
	defer c.done(&err)
	return d.Driver.AddPasses(ctx, seen)
}

// Pass implements state.PassDriver.
func (d *stateDriver) Pass(ctx context.Context, id string) (_ *state.PassRecord, err error) {
	ctx, c := d.calls.begin(ctx, doPass)
	defer c.done(&err)
	return d.Driver.Pass(ctx, id)
}

// ListPasses implements state.PassDriver.
func (d *stateDriver) ListPasses(ctx context.Context, f state.PassFilter, after string, max int) (_ []state.PassRecord, err error) {
	ctx, c := d.calls.begin(ctx, doListPasses)
	defer c.done(&err)
	return d.Driver.ListPasses(ctx, f, after, max)
}

// ExpirePasses implements state.PassDriver.
func (d *stateDriver) ExpirePasses(ctx context.Context, t time.Time, max int) (_ int, err error) {
	ctx, c := d.calls.begin(ctx, doExpirePasses)
	defer c.done(&err)
	return d.Driver.ExpirePasses(ctx, t, max)
}

// InsertLink implements state.LinkDriver.
func (d *stateDriver) InsertLink(ctx context.Context, l state.LinkRecord) (err error) {
	ctx, c := d.calls.begin(ctx, doInsertLink)
	defer c.done(&err)
	return d.Driver.InsertLink(ctx, l)
}

// Link implements state.LinkDriver.
func (d *stateDriver) Link(ctx context.Context, id string) (_ state.LinkRecord, err error) {
	ctx, c := d.calls.begin(ctx, doLink)
	defer c.done(&err)
	return d.Driver.Link(ctx, id)
}

// ListLinks implements state.LinkDriver.
func (d *stateDriver) ListLinks(ctx context.Context, owner, after string, max int) (_ []state.LinkRecord, err error) {
	ctx, c := d.calls.begin(ctx, doListLinks)
	defer c.done(&err)
	return d.Driver.ListLinks(ctx, owner, after, max)
}

// DeleteLink implements state.LinkDriver.
func (d *stateDriver) DeleteLink(ctx context.Context, id string) (err error) {
	ctx, c := d.calls.begin(ctx, doDeleteLink)
	defer c.done(&err)
	return d.Driver.DeleteLink(ctx, id)
}

// ExpireLinks implements state.LinkDriver.
func (d *stateDriver) ExpireLinks(ctx context.Context, t time.Time, max int) (_ int, err error) {
	ctx, c := d.calls.begin(ctx, doExpireLinks)
	defer c.done(&err)
	return d.Driver.ExpireLinks(ctx, t, max)
}
