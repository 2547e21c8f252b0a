//! Every bound in one place, each with its reason.
//!
//! What does not fit is refused with a value that hands the work back; nothing is dropped in silence.

use std::time::Duration;

/// Bytes of one event as it came. A payload of 5 MiB does not belong in a journal: store it elsewhere and send its address.
pub const EVENT_BYTES: usize = 1024 * 1024;
/// Levels of nesting in an event. Deep enough for any honest document, shallow enough that no reader's stack is at risk.
pub const JSON_DEPTH: usize = 64;
/// Keys of one JSON object: duplicates are looked for among all of them.
pub const OBJECT_KEYS: usize = 10_000;
/// Bytes of an id, a source, a type, a key of any kind.
pub const ID_BYTES: usize = 255;

/// Bytes of a reason that a person gives: it is a sentence or two, kept for ever and printed in tables.
pub const REASON_BYTES: usize = 2_000;
/// Segments of an event type or a pattern.
pub const TYPE_SEGMENTS: usize = 32;
/// Outer correlations that one event may name.
pub const CHAIN_LENGTH: usize = 32;
/// Other entities that one event may touch.
pub const RELATED: usize = 1_000;
/// Fields that one event may change.
pub const CHANGES: usize = 1_000;
/// Entries of an event's metadata.
pub const METADATA: usize = 256;

/// Event types of one catalogue's file.
pub const EVENT_TYPES: usize = 1_000;
/// Bytes of one JSON schema.
pub const SCHEMA_BYTES: usize = 64 * 1024;
/// Parts of one JSON schema, with what it refers to put in: what holding a value against it costs rests on that.
pub const SCHEMA_NODES: usize = 10_000;

/// Shards of one runtime: more than any machine has cores for.
pub const SHARDS: usize = 1_024;
/// Events that one submitter may have under way before the runtime refuses more.
pub const ADMISSION: usize = 4_096;
/// Events that one batch may hold; more are refused as a whole, because one caller would take every permit.
pub const BATCH: usize = ADMISSION;
/// Commands that one turn of a workflow takes together: bounds the row and the time that a shard is held.
pub const TURN_COMMANDS: usize = 64;
/// Bytes of the events that one turn takes together: bounds the row.
pub const TURN_BYTES: usize = 4 * 1024 * 1024;
/// Events of one correlation that are pending, deferred or escalated at once: they are kept whole in its state. As many more may
/// wait for its run.
pub const OPEN_EVENTS: usize = 10_000;
/// Bytes of those events together: they are in memory, and in each snapshot. As many more may have those that wait for its run.
pub const OPEN_BYTES: usize = 64 * 1024 * 1024;
/// Event identities that a workflow remembers itself; older ones are found by the index.
pub const KNOWN_EVENTS: usize = 16_384;
/// Operations on one run that it knows again by their ids.
pub const KNOWN_OPERATIONS: usize = 16;
/// Effects that one workflow may owe at once.
pub const OWED_EFFECTS: usize = 1_000;
/// Effects that one reaction of a handler may ask for.
pub const REACTION_EFFECTS: usize = 600;
/// Ends of effects of one workflow that its definition could not take and that wait for a person; at so many it is put back, and
/// fails.
pub const PARKED: usize = 100;
/// Bytes of why a run ended that lists of workflows tell; the journal has it whole.
pub const RUN_ERROR_BYTES: usize = 300;
/// How long the ends of workflows are kept in memory; the journal has them for ever.
pub const RESULT_TTL: Duration = Duration::from_secs(600);
/// Bytes of those ends that one shard keeps; the oldest go first.
pub const RESULT_BYTES: usize = 16 * 1024 * 1024;
/// Steps of one workflow that can be put back: what they were to do and what they gave is kept until it is over.
pub const UNDOABLE_STEPS: usize = 100_000;
/// Moves that a flow makes in one turn before it waits for something.
pub const FLOW_MOVES: usize = 100_000;
/// Facts that those moves may note: what is left to a reaction is for putting back.
pub const FLOW_FACTS: usize = REACTION_FACTS - 1_000;
/// Bytes of one value of a flow: as much as an agent may give.
pub const FLOW_VALUE_BYTES: usize = AGENT_RESULT_BYTES;
/// Bytes of values with which a flow begins no further task in one turn: the rest of a reaction is for the last one, for the
/// end, and for putting back.
pub const FLOW_BYTES: usize = REACTION_BYTES / 2;
/// Tasks of one flow that may ask something of the outside at once.
pub const FLOW_LEAVES: usize = OWED_EFFECTS / 4;
/// Effects that one flow may owe for its tasks, each with its time limit and those of what holds it; what is left of all that
/// a workflow may owe is for what waits to be tried again, and for cancels.
pub const FLOW_OWED: usize = OWED_EFFECTS - 100;
/// Items that one loop of a flow goes over.
pub const FLOW_ITEMS: usize = 100_000;
/// Events that one flow keeps until somebody listens.
pub const FLOW_KEPT: usize = 1_000;
/// Bytes of a task's path: it names its step, with what is put before that.
pub const FLOW_PATH_BYTES: usize = ID_BYTES - 20;
/// Tasks of one flow.
pub const FLOW_TASKS: usize = 10_000;
/// How deep tasks of a flow may be within one another.
pub const FLOW_DEPTH: usize = 32;
/// States of one machine: a picture of a tenth of them is no picture any more.
pub const MACHINE_STATES: usize = 1_000;
/// Transitions of one machine; all of one state are held against each other.
pub const MACHINE_TRANSITIONS: usize = 5_000;
/// Steps of one machine.
pub const MACHINE_STEPS: usize = 1_000;
/// Transitions that a machine takes by itself in one turn, before it waits for something.
pub const MACHINE_MOVES: usize = 10_000;
/// Facts that those may note: what is left to a reaction is for putting back.
pub const MACHINE_FACTS: usize = FLOW_FACTS;
/// Bytes of a step's name: what it is retried and put back under is longer, and has at most 255.
pub const STEP_NAME_BYTES: usize = 200;
/// Facts of its own that one reaction of a handler may note.
pub const REACTION_FACTS: usize = 10_000;
/// Bytes that one reaction of a handler may write: facts, tasks, events and output together. What an agent gave is noted, is
/// the task of the next one, or is told to whoever puts it back with what it was made of; some of that comes together. With
/// [`TURN_BYTES`] this bounds a row.
pub const REACTION_BYTES: usize = 8 * AGENT_RESULT_BYTES;
/// Bytes of one agent's result or error; a larger one is a failure of the agent: keep large results elsewhere.
pub const AGENT_RESULT_BYTES: usize = 1024 * 1024;

/// Bytes of the code of an agent's error: a word that programs compare.
pub const AGENT_CODE_BYTES: usize = 64;

/// Bytes of an agent's name: the correlation of a result that is kept holds it beside a digest.
pub const AGENT_NAME_BYTES: usize = 128;
/// Agents that one route may choose among: each is looked at for each task, and why it was passed over is recorded.
pub const ROUTE_CANDIDATES: usize = 64;
/// Characters that are recorded of why a candidate was passed over.
pub const ROUTE_WHY_CHARS: usize = 300;
/// How long a store of results is waited for before the agent is asked.
pub const RESULT_STORE_LIMIT: Duration = Duration::from_secs(1);
/// Instances of one agent.
pub const AGENT_INSTANCES: usize = 256;
/// How often an agent that can tell how it is is asked, unless it says otherwise.
pub const HEALTH_EVERY: Duration = Duration::from_secs(10);
/// How long it may take to tell.
pub const HEALTH_LIMIT: Duration = Duration::from_secs(2);

/// Workflows that one shard keeps in memory; the longest idle one is passivated first.
pub const LIVE_WORKFLOWS: usize = 500_000;
/// How long a workflow may be idle before it is passivated.
pub const IDLE: Duration = Duration::from_secs(60);
/// Records after the last snapshot at which a new one is taken: bounds what a wake has to replay.
pub const SNAPSHOT_RECORDS: u64 = 256;
/// Places in the mailbox of an agent's gate, and for effects' ends in a shard's; how many effects there can be is bounded by
/// what each workflow may owe.
pub const EFFECTS_IN_FLIGHT: usize = 10_000;
/// Callers that may wait for an end at once: each is a few hundred bytes.
pub const WAITERS: usize = 100_000;
/// Workflows that one shard wakes at once: each holds a reader.
pub const WAKES_IN_FLIGHT: usize = 64;
/// Messages that one workflow may have queued at its shard before its senders are refused: one flooded correlation must
/// not take every permit.
pub const QUEUED_PER_WORKFLOW: usize = 2_048;

/// Deaths of one workflow by one command before the command is parked as poison.
pub const POISON_ATTEMPTS: u32 = 3;
/// Restarts of one workflow in a row, without a good turn between, before it is left down for [`RESTART_WINDOW`].
pub const RESTARTS: u32 = 10;
/// The same within [`RESTART_WINDOW`], whatever was between: room for some poison events, each of which takes three.
pub const RESTARTS_IN_WINDOW: u32 = 30;
/// The window that [`RESTARTS_IN_WINDOW`] counts in.
pub const RESTART_WINDOW: Duration = Duration::from_secs(60);
/// Restarts of one part of the runtime within [`RESTART_WINDOW`] before it is left dead and nothing more is taken: a bug that
/// comes again and again needs a person.
pub const PART_RESTARTS: u32 = 10;
/// The first wait before a workflow or a part is recreated; it doubles with each death in a row.
pub const RESTART_BACKOFF: Duration = Duration::from_millis(5);
/// The longest wait before a workflow or a part is recreated.
pub const RESTART_BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How long one decision may hold its shard before the watchdog names it: every other workflow of the shard waits.
pub const SHARD_HELD: Duration = Duration::from_secs(1);

/// Turns that one commit takes together: bounds the answer time of the first among them.
pub const COMMIT_TURNS: usize = 4_096;
/// Bytes that one commit takes together.
pub const COMMIT_BYTES: usize = 16 * 1024 * 1024;
/// Records by which the index may lag before the writer slows.
pub const INDEX_LAG: u64 = 200_000;
/// Commits that readers of the live journal may be behind before they read from the store instead.
pub const COMMITS_REMEMBERED: usize = 256;
/// Timers held in memory; later ones wait in the journal until these have run.
pub const TIMERS_IN_MEMORY: usize = 100_000;

/// Policies in one set.
pub const POLICIES: usize = 1_000;
/// Longest cooldown: longer ones are a mistake of units.
pub const COOLDOWN_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Bookings of one key: who comes after is refused a slot and discarded with that reason.
pub const BOOKINGS: usize = 10_000;
/// Holidays and days with other hours of one calendar: thirty years of the busiest.
pub const CALENDAR_ENTRIES: usize = 1_000;
/// Openings of a calendar that are looked at for a free place: a flood is discarded with that reason, and not put off for years.
pub const OPENINGS_AHEAD: usize = 1_000;
/// Longest period of a rate and longest wait of a debounce: longer ones are a mistake of units.
pub const PERIOD_MAX: Duration = COOLDOWN_MAX;

/// Longest time an agent may take unless its own limit says otherwise.
pub const AGENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Calls of one agent under way at once unless its own limit says otherwise.
pub const AGENT_CONCURRENCY: usize = 16;
/// Calls that may wait at one agent unless its own limit says otherwise.
pub const AGENT_QUEUE: usize = 1_024;
/// Threads of a blocking agent that may be left behind, stuck, before it takes no more calls.
pub const AGENT_STUCK: usize = 64;
/// Longest time that asking a reasoner takes unless a policy or the reasoner's own limit says otherwise: an event waits for it.
pub const REASONING_LIMIT: Duration = Duration::from_millis(500);
/// Longest time that may be said, unless a reasoner is registered as one that may take longer.
pub const REASONING_LIMIT_MAX: Duration = Duration::from_millis(5_000);
/// Bytes of what a reasoner may see of an event: each question is a copy, and many are under way at once.
pub const REASONING_VIEW_BYTES: usize = 256 * 1024;
/// Signals of one answer: advice is read by people and policies.
pub const SIGNALS: usize = 32;
/// Bytes of one signal's rationale: some paragraphs.
pub const SIGNAL_RATIONALE_BYTES: usize = 4 * 1024;
/// Bytes of one signal's payload.
pub const SIGNAL_PAYLOAD_BYTES: usize = 64 * 1024;
/// Bytes of all signals of one answer: they are recorded with the event, several answers in a turn.
pub const ADVICE_BYTES: usize = 256 * 1024;
/// Bytes kept of what a reasoner says of its failure.
pub const REASON_TEXT_BYTES: usize = 1024;
/// Bytes of a mode's name.
pub const MODE_BYTES: usize = 64;
/// Modes that are counted apart for one reasoner; further ones are counted together.
pub const MODES_COUNTED: usize = 64;
/// Names of a kind that users meter by; what is metered under others is counted together.
pub const METERS: usize = 1_000;
/// Bytes of such a name.
pub const METER_NAME_BYTES: usize = 255;
/// Bytes of a chat model's answer that are read at most.
pub const CHAT_ANSWER_BYTES: usize = 512 * 1024;

/// Bytes of one line that is said to the local socket: an event's largest payload, written as JSON once more.
pub const CONTROL_LINE_BYTES: usize = 2 * EVENT_BYTES;
/// Bytes of one line that it says: an event's whole life with its decisions.
pub const CONTROL_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Connections to the local socket that are served at once; those after them wait in the system's queue.
pub const CONTROL_CONNECTIONS: usize = 64;
/// How long a peer of the local socket may take to say what it wants, and then to take its answer.
pub const CONTROL_PATIENCE: Duration = Duration::from_secs(10);
/// How long somebody who has asked over the local socket waits for the answer.
pub const CONTROL_ANSWER: Duration = Duration::from_secs(60);
/// The same of who only asks the owner how it is: one that hangs is told as one that cannot be asked.
pub const CONTROL_LOOK: Duration = Duration::from_secs(2);

/// How long `wait` waits for a workflow's end unless told otherwise.
pub const WAIT: Duration = Duration::from_secs(300);

/// Rows that one query page may hold.
pub const PAGE: usize = 10_000;
/// Bytes of a configuration or policy file.
pub const CONFIG_BYTES: usize = 1024 * 1024;

/// Bytes of one expression: a list of a thousand ids fits; reading the longest takes some 50 ms.
pub const EXPRESSION_BYTES: usize = 16 * 1024;
/// Levels of an expression, counted before it is parsed: its parser and evaluator call themselves, and need some 10 KiB a level.
pub const EXPRESSION_DEPTH: usize = 64;
/// Loops (`all`, `exists`, `map` ...) within each other: with more, nobody can say what one costs.
pub const EXPRESSION_LOOPS: usize = 4;
/// What an expression may cost at worst, in steps of some 100 ns: a shard may be held for as long, 2.5 s.
pub const EXPRESSION_COST: u64 = 25_000_000;
/// Bytes of a regular expression as it is written.
pub const PATTERN_BYTES: usize = 1_000;
/// Bytes that a regular expression may be compiled to: it is kept as long as its program.
pub const PATTERN_COMPILED_BYTES: usize = 256 * 1024;
/// Bytes of a JSON value that an expression sees under one name: what it may cost rests on it.
pub const EXPRESSION_INPUT_BYTES: usize = EVENT_BYTES;

/// How often an event may be put off without a promised place, unless its policies say: so that policies that send it from one
/// to the other have a person see it in the end.
pub const DEFERRALS: u32 = 100;

/// Reasoners that are asked about one event: each may take its whole limit, and all that they say is kept with it.
pub const REASONERS_PER_EVENT: usize = 16;

/// Rules in one set.
pub const RULES: usize = 1_000;
/// Things that one rule does: each is a part of its run, and they are done all or none.
pub const RULE_ACTS: usize = 32;
/// Links of the chain of correlations that an event may have and still set off a rule: rules that set each other off stop
/// here. Half of what an event may carry.
pub const RULE_DEPTH: usize = CHAIN_LENGTH / 2;
/// Entities that one event may have a rule looked at for.
pub const RULE_SUBJECTS: usize = 10_000;
/// Things that may come of one event by rules, by rules that these set off, and so on: they share it out among themselves.
pub const RULE_EVENTS: usize = RULE_SUBJECTS;
/// Bytes of what one run does, or of what its undo does: its handler writes them twice, with what was before.
pub const RUN_BYTES: usize = 256 * 1024;
/// Later changes of one field that are named where a run is put back.
pub const LATER_CHANGES: usize = 100;
/// Attempts of a call that a rule's run makes before it counts as refused.
pub const RULE_CALLS: u32 = 3;
/// The first wait before a call of a rule's run is tried again; it doubles.
pub const RULE_CALL_BACKOFF: Duration = Duration::from_secs(1);
/// Entities that one entity is kept as related to, in either direction; a condition sees them all.
pub const RELATED_KEPT: usize = 10_000;
/// Relations that one set declares: each is asked about each event of its type.
pub const RELATIONS: usize = 1_000;
/// Entities that rules know: some hundred bytes each. Further ones are not known, and that is told.
pub const ENTITIES_KEPT: usize = 1_000_000;
/// Bytes of a subscription's name: correlations of letters hold it beside a position.
pub const SUBSCRIBER_NAME_BYTES: usize = 100;
/// Subscriptions at once.
pub const SUBSCRIPTIONS: usize = 100_000;
/// Deliveries that one subscription's queue may hold at most.
pub const SUBSCRIPTION_QUEUE_MAX: usize = 65_536;
/// Deliveries that one subscription's queue holds unless it says otherwise.
pub const SUBSCRIPTION_QUEUE: usize = 1_024;
/// Bytes of the events in one subscription's queue; one that is larger fits alone. Events are shared among queues.
pub const SUBSCRIPTION_BYTES: usize = 8 * 1024 * 1024;
/// Patterns of one subscription.
pub const SUBSCRIPTION_PATTERNS: usize = 256;
/// Turns that the bus reads at once.
pub const BUS_ROWS: usize = 256;
/// Types whose subscriptions the bus remembers; with one more it begins anew.
pub const BUS_TYPES: usize = 4_096;
/// Deliveries by which a durable subscription's cursor is recorded at the latest.
pub const ACKNOWLEDGED_AT_ONCE: u64 = 256;
/// How long an acknowledgement may wait for others before the cursor is recorded.
pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(100);
/// Deliveries of a durable subscription that may be out and not acknowledged; more are not handed out until some are.
pub const UNACKNOWLEDGED: usize = 65_536;
