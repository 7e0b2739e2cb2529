package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// A target is what the arithmetic is done for, besides the load.
type target struct {
	NodeBusy  float64 // share of the nodes' cores to use at most
	ShardBusy float64 // the same of the databases'
	Spare     int     // nodes that may be away
	Size      float64 // bytes of an object
	Lifetime  float64 // seconds for which the ledger remembers a pass
	Objects   float64
}

func addTargetFlags(fs flagSet, t *target) {
	fs.Float64Var(&t.NodeBusy, "node-busy", 0.6, "plan: share of the nodes' cores to use at most")
	fs.Float64Var(&t.ShardBusy, "shard-busy", 0.5, "plan: share of the databases' cores to use at most")
	fs.IntVar(&t.Spare, "spare", 1, "plan: nodes that may be away")
	fs.Float64Var(&t.Size, "size", 4096, "plan: bytes of an object")
	fs.Float64Var(&t.Lifetime, "lifetime", 25*3600, "plan: seconds for which a counted pass is remembered: its own and a day")
	fs.Float64Var(&t.Objects, "objects", 1e9, "plan: objects in the store")
}

// A flagSet is what of flag.FlagSet is needed for numbers.
type flagSet interface {
	Float64Var(p *float64, name string, value float64, usage string)
	IntVar(p *int, name string, value int, usage string)
}

// A plan is what the arithmetic comes to.
type plan struct {
	rows []planRow
}

type planRow struct{ what, value, how string }

func (p *plan) add(what, value, how string, args ...any) {
	p.rows = append(p.rows, planRow{what, value, fmt.Sprintf(how, args...)})
}

// plan works out how many nodes and shards a rate takes, puts them into the
// config, and tells how.
func (t *target) plan(c *config, m *measurements) (*plan, error) {
	if c.Rate <= 0 || c.Cores < 1 || c.ShardCores < 1 || !(t.NodeBusy > 0) || !(t.ShardBusy > 0) {
		return nil, errors.New("a plan needs -rate, cores, and shares of them that may be used")
	}
	p := new(plan)
	// More nodes make more transactions, which take nodes: twice is enough.
	transactions := 0.0
	for range 2 {
		t.planNodes(nil, c, transactions)
		transactions = t.planShards(c)
	}
	t.planNodes(p, c, transactions)
	if err := t.planState(p, c, m); err != nil {
		return nil, err
	}
	return p, t.planRest(p, c, m)
}

// planNodes works out the nodes for the requests and for so many transactions a
// second.
func (t *target) planNodes(p *plan, c *config, transactions float64) {
	work := 0.0
	for _, s := range c.Mix {
		work += s.Share * c.Costs.Node[s.Kind]
	}
	each := float64(c.Cores) * c.Speed * t.NodeBusy
	need := (c.Rate*work + transactions*c.Costs.NodeCommit) / each
	c.Nodes = int(math.Ceil(need)) + t.Spare
	if p == nil {
		return
	}
	p.add("work of a request", fmt.Sprintf("%.0f µs", 1e6*work), "of a node's core, by the mix; %.0f µs for a transaction of state", 1e6*c.Costs.NodeCommit)
	p.add("nodes", fmt.Sprint(c.Nodes), "(%.0f/s × %.0f µs + %.0f/s × %.0f µs) ÷ (%d cores × %.0f %%) = %.1f, and %d that may be away",
		c.Rate, 1e6*work, transactions, 1e6*c.Costs.NodeCommit, c.Cores, 100*t.NodeBusy, need, t.Spare)
}

// drawn returns how many of the requests change state, per second, and how
// many changes that makes.
func drawn(c *config) (grants, changes float64) {
	for _, s := range c.Mix {
		switch s.Kind {
		case "counted", "hot":
			grants += s.Share * c.Rate
			changes += 2 * s.Share * c.Rate // the draw and its settlement
		case "exhausted":
			// Each node asks once a second for each such pass.
			changes += min(s.Share*c.Rate, float64(c.Nodes*c.UsedUp))
		}
	}
	return grants, changes
}

func (t *target) planState(p *plan, c *config, m *measurements) error {
	row, err := m.value("state.row")
	if err != nil {
		return err
	}
	seenRow, err := m.value("state.seen.row")
	if err != nil {
		return err
	}
	grants, changes := drawn(c)
	reads, seen := lookups(c), sighted(c)
	p.add("draws", fmt.Sprintf("%.0f/s", grants), "requests that are counted; of the others state only has statistics")
	p.add("changes of state", fmt.Sprintf("%.0f/s", changes), "a draw and its settlement each, and one a second for each node and exhausted pass")
	p.add("look-ups", fmt.Sprintf("%.0f/s", reads), "each node reads each key and bucket that is in use once in %.0f s", c.CacheTTL)
	p.add("passes seen", fmt.Sprintf("%.0f/s", seen), "each is a row of statistics, which each node writes within %.0f s, %d at a time", flushAge, seenBatch)
	p.add("shards", fmt.Sprint(c.Shards), "%d cores each, %.0f %% of them used: %.0f µs for a transaction of one change, at most one of each node under way, %.0f µs for the statistics of a pass",
		c.ShardCores, 100*t.ShardBusy, 1e6*c.Costs.transaction(1), 1e6*c.Costs.Seen)
	p.add("connections", fmt.Sprint(c.Nodes*(2+readers)), "to each shard at most: one that writes, one that listens and %d that read for each node; %d while little is read", readers, c.Nodes*(2+idleReaders))
	p.add("rows of the ledger", fmt.Sprintf("%.0f million", grants*t.Lifetime/1e6), "%.0f/s × %.0f s", grants, t.Lifetime)
	p.add("rows of statistics", fmt.Sprintf("%.0f million", seen*t.Lifetime/1e6), "%.0f/s × %.0f s", seen, t.Lifetime)
	p.add("disk of state", fmt.Sprintf("%.0f GB", t.Lifetime*(grants*row+seen*seenRow)/1e9), "%.0f B a row of the ledger, %.0f B one of statistics, with their indexes", row, seenRow)
	return nil
}

// lookups is how many keys and settings of buckets nodes read, per second.
func lookups(c *config) float64 {
	return min(2*c.Rate, float64(c.Nodes)*float64(min(c.Keys, cachedKeys)+min(c.Buckets, cachedBuckets))/c.CacheTTL)
}

// sighted is how many passes make a row of statistics, per second.
func sighted(c *config) (seen float64) {
	for _, m := range c.Mix {
		for _, k := range kinds() {
			if m.Kind == k.Name && k.Fresh {
				seen += m.Share * c.Rate
			}
		}
	}
	return seen
}

// planShards puts so many shards into the config that the load of each stays
// below the target, and returns how many transactions all commit per second:
// every node has its own for each shard, so that more nodes make smaller and
// more transactions. Keys and settings are all in the first.
func (t *target) planShards(c *config) (transactions float64) {
	const most = 1024
	_, changes := drawn(c)
	for c.Shards = 1; c.Shards < most; c.Shards++ {
		n := float64(c.Shards)
		// A node's writer gathers for a while, then waits for the commit.
		cycle := gatherTime + (roundTrips+0.5)*c.RTT + 1.5*c.Costs.Sync + c.Costs.NodeCommit
		transactions = min(changes/n, float64(c.Nodes)/cycle)
		work := sighted(c)*c.Costs.Seen/n + lookups(c)*c.Costs.Read + float64(c.Nodes)*c.Costs.Poll
		if transactions > 0 {
			work += transactions * c.Costs.transaction(changes/n/transactions)
		}
		if work <= float64(c.ShardCores)*t.ShardBusy {
			break
		}
	}
	return transactions * float64(c.Shards)
}

func (t *target) planRest(p *plan, c *config, m *measurements) error {
	gets, puts, moved := 0.0, 0.0, 0.0
	for _, m := range c.Mix {
		for _, k := range kinds() {
			switch {
			case m.Kind != k.Name:
			case k.Store == "put":
				puts += m.Share * c.Rate
				moved += m.Share * c.Rate
			default:
				gets += float64(k.Asks) * m.Share * c.Rate
				if k.Name != "redirect" && k.Name != "exhausted" {
					moved += m.Share * c.Rate
				}
			}
		}
	}
	idle, err := m.value("node.memory")
	if err != nil {
		return err
	}
	connection, err := m.value("node.memory.connection")
	if err != nil {
		return err
	}
	under := c.Rate / float64(c.Nodes) * 0.1
	p.add("requests to the store", fmt.Sprintf("%.0f/s", gets+puts), "%.0f/s HEAD and GET, %.0f/s PUT; a counted download asks twice", gets, puts)
	ceph := 0.0
	for name, rate := range map[string]float64{"rgw.get": gets, "osd.get": gets, "rgw.put": puts, "osd.put": puts} {
		cost, err := m.value("ceph." + name)
		if err != nil {
			return err
		}
		ceph += rate * cost
	}
	p.add("work of Ceph", fmt.Sprintf("%.0f cores", ceph), "all of them busy: gateways and OSDs, three copies, in memory; disks come to it")
	p.add("network of a node", fmt.Sprintf("%.0f Mbit/s", 8e-6*t.Size*moved/float64(c.Nodes)), "each way: objects of %.0f B come in and go out again", t.Size)
	p.add("memory of a node", fmt.Sprintf("%.0f MB", (idle+connection*under)/1e6), "%.0f MB idle, and %.0f KB for each of %.0f connections", idle/1e6, connection/1e3, under)
	p.add("objects", fmt.Sprintf("%.0g", t.Objects), "nothing of them is kept by nodes or state; the store's index has them")
	return nil
}

func (p *plan) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range p.rows {
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.what, r.value, r.how)
	}
	fmt.Fprintln(t)
	return t.Flush()
}
