package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/shards"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

// openStore opens what keeps objects: the data directory, or an upstream.
func (n *node) openStore(ctx context.Context) error {
	var driver store.Driver
	var err error
	if n.config.backend.store != "" {
		driver, err = n.openUpstream(ctx)
	} else {
		driver, err = n.openDisk()
	}
	if err != nil {
		return err
	}
	n.store = store.New(n.instrumentStore(driver), store.WithWrappingKeys(wrappingKeys{n}))
	n.release = append(n.release, n.store.Close)
	return nil
}

func (n *node) openDisk() (store.Driver, error) {
	cache := n.config.backend.cacheSize
	if cache == 0 {
		cache = -1 // none
	}
	driver, err := diskstore.Open(diskstore.Options{Dir: n.config.data, Logger: n.log, ReadCacheSize: cache})
	n.disk = driver
	if err != nil {
		return nil, hinted(fmt.Errorf("cannot open the data directory: %w", err), useHint)
	}
	return driver, nil
}

// useHint tells what to do where another process uses a data directory.
const useHint = "does another daypass use it? Only one process may; stop that one, or choose another --data"

// inUse adds the hint to an error of the spool, by whose lock a data directory
// without objects belongs to one process.
func inUse(err error) error {
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return hinted(fmt.Errorf("cannot open the data directory: %w", err), useHint)
	}
	return err
}

// openState opens state, and makes sure that it is the one of this store.
func (n *node) openState(ctx context.Context) error {
	driver, err := n.openStateDriver(ctx)
	if err != nil {
		return err
	}
	if n.state, err = n.stateOver(ctx, driver); err != nil {
		return errors.Join(err, driver.Close())
	}
	n.release = append(n.release, n.closeState)
	if err := n.refuseUpstreamKey(ctx); err != nil {
		return err
	}
	n.rotation = newRotation(n.state, n.store, n.app.now, n.log)
	n.release = append(n.release, n.rotation.close)
	return n.rotation.resume(ctx)
}

// closeState writes what is left to write. Without state, a node ends all the
// same: what it has not given back stays drawn, so that nothing is granted twice.
func (n *node) closeState() error {
	lost := n.state.Healthy()
	err := n.state.Close()
	if err != nil && lost != nil {
		n.log.Warn("state is out of reach: what was counted last is not written", "err", err)
		return nil
	}
	return err
}

func (n *node) openStateDriver(ctx context.Context) (state.Driver, error) {
	dsns := n.config.backend.state
	if len(dsns) == 0 {
		return sqlstate.OpenSQLite(ctx, filepath.Join(n.config.data, "state.db"))
	}
	driver, err := n.openShards(ctx, dsns)
	switch {
	case errors.Is(err, shards.ErrMap):
		return nil, hinted(err, "give every node the same --state URLs in the same order (see docs/cluster.md)")
	case err != nil:
		return nil, hinted(fmt.Errorf("cannot open state: %w", err),
			"the databases of --state must run, exist (createdb -E UTF8 NAME) and let their users create tables")
	}
	return driver, nil
}

// openShards opens the databases that state is spread over.
func (n *node) openShards(ctx context.Context, dsns []string) (_ state.Driver, err error) {
	var drivers []state.Driver
	defer func() {
		for _, d := range drivers {
			if err != nil {
				err = errors.Join(err, d.Close())
			}
		}
	}()
	for _, dsn := range dsns {
		d, err := sqlstate.OpenPostgres(ctx, dsn)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", showDSN(dsn), oneLine{err})
		}
		drivers = append(drivers, d)
	}
	return shards.Open(ctx, drivers, n.app.rand)
}

// A oneLine is an error without what it says twice, in one line: databases are
// tried at several addresses, and tell of each.
type oneLine struct{ error }

// Error implements error.
func (e oneLine) Error() string {
	var said []string
	for line := range strings.Lines(e.error.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	return strings.ReplaceAll(strings.Join(said, "; "), ":; ", ": ")
}

func (e oneLine) Unwrap() error { return e.error }

// storePlace and statePlace say where objects and state are, without secrets.
func (n *node) storePlace() string {
	if n.upstreamPlace != "" {
		return n.upstreamPlace
	}
	return "the data directory"
}

func (n *node) statePlace() string {
	if !n.config.backend.shared() {
		return "the data directory"
	}
	texts := make([]string, len(n.config.backend.state))
	for i, dsn := range n.config.backend.state {
		texts[i] = showDSN(dsn)
	}
	return strings.Join(texts, ", ")
}

// stateOver opens the state that a driver keeps.
func (n *node) stateOver(ctx context.Context, driver state.Driver) (*state.State, error) {
	key, err := n.masterKey(ctx, driver)
	if err != nil {
		return nil, err
	}
	if err := n.pair(ctx, driver); err != nil {
		return nil, err
	}
	s, err := state.Open(ctx, n.instrumentState(driver), key, state.Options{
		Clock: n.app.now, Rand: n.app.rand, Log: n.log, Grace: n.config.grace, MaxLifetime: n.config.server.MaxLifetime,
	})
	if errors.Is(err, state.ErrMasterKey) {
		return nil, hinted(err, n.masterKeyHint())
	}
	return s, err
}

// masterKeyPath is the file in the data directory that holds the master key where
// nothing else gives it.
func (n *node) masterKeyPath() string { return filepath.Join(n.config.data, "master.key") }

// masterKey takes the master key from the environment, from the file that was
// named, or from the one in the data directory, which is made at the first start.
// No key is made for a state that belongs to one already.
func (n *node) masterKey(ctx context.Context, driver state.Driver) (state.MasterKey, error) {
	text, named := n.app.env("DAYPASS_MASTER_KEY"), n.config.backend.masterKeyFile
	switch {
	case text != "" && named != "":
		return state.MasterKey{}, usagef("DAYPASS_MASTER_KEY and --master-key-file do not go together")
	case text != "":
		return state.ParseMasterKey(text)
	case named != "":
		return state.ReadMasterKeyFile(named)
	}
	path := n.masterKeyPath()
	if known, err := state.Initialised(ctx, driver); err != nil {
		return state.MasterKey{}, err
	} else if known {
		key, err := state.ReadMasterKeyFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return key, hinted(errors.New("this state was made with a master key that is missing here"), n.masterKeyHint())
		}
		return key, err
	}
	key, _, err := state.MasterKeyFromFile(path, n.app.rand)
	return key, err
}

// masterKeyHint says where the right master key is to be found.
func (n *node) masterKeyHint() string {
	path := n.masterKeyPath()
	if !n.config.backend.shared() {
		return "restore " + path + ", or give the key that it held in DAYPASS_MASTER_KEY or --master-key-file"
	}
	return strings.Join([]string{"all nodes that share state have one master key: the file master.key in the data directory of the first",
		"copy that to " + path + ", or give it in DAYPASS_MASTER_KEY or --master-key-file"}, "\n")
}
