BEGIN TRANSACTION;
CREATE TABLE legs (
    outcome_id TEXT NOT NULL REFERENCES outcomes (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    role TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    stands_in_for TEXT NOT NULL, local INTEGER NOT NULL, opened_because TEXT NOT NULL,
    started REAL NOT NULL, first_event REAL, ended REAL, finish TEXT NOT NULL,
    reply_model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL,
    cost_usd TEXT,
    error_code TEXT NOT NULL, error_origin TEXT NOT NULL, error_status INTEGER NOT NULL,
    error_message TEXT NOT NULL,
    PRIMARY KEY (outcome_id, position)
) WITHOUT ROWID;
INSERT INTO "legs" VALUES('hs-fast',0,'draft','fast','small','',1,'plan',0.1,0.6,2.1,'stop','',1000,200,0,0,0,0,'0','','',0,'');
INSERT INTO "legs" VALUES('hs-relayed',0,'draft','fast','small','',1,'plan',0.0,0.05,0.2,'stopped','',1000,200,0,0,0,0,NULL,'','',0,'');
INSERT INTO "legs" VALUES('hs-relayed',1,'upgrade','anthropic','big','',0,'plan',0.1,NULL,0.3,'failed','',0,0,0,0,0,0,NULL,'rate_limited','anthropic',429,'slow down');
INSERT INTO "legs" VALUES('hs-relayed',2,'failover','gemini','other','',0,'rate_limited',0.3,0.6,2.1,'stop','',1000,200,0,0,0,0,NULL,'','',0,'');
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('version','1');
CREATE TABLE outcomes (
    id TEXT PRIMARY KEY, created REAL NOT NULL, dialect TEXT NOT NULL,
    requested_model TEXT NOT NULL, stream INTEGER NOT NULL, client TEXT NOT NULL,
    route TEXT NOT NULL, because TEXT NOT NULL, merge TEXT NOT NULL, task TEXT NOT NULL,
    p_fast REAL, threshold REAL, classifier TEXT NOT NULL, signals TEXT NOT NULL,
    first_shown REAL, duration REAL, finish TEXT NOT NULL, shown_chars INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL,
    cost_usd TEXT, saved_usd TEXT,
    error_code TEXT NOT NULL, error_origin TEXT NOT NULL, error_message TEXT NOT NULL,
    prompt TEXT NOT NULL, embedding BLOB NOT NULL
);
INSERT INTO "outcomes" VALUES('hs-relayed',1795000000.0,'openai','auto',1,'laptop','deep','maths: 0.21 is under 0.55','continue','math_reasoning',0.21,0.55,'embedding-minilm-v1','{"chars": 33.0, "code": 0.25}',0.06,2.2,'stop',1500,2000,400,0,0,0,0,NULL,NULL,'','','','Why?',X'00010203');
INSERT INTO "outcomes" VALUES('hs-fast',1795000100.0,'openai','auto',1,'laptop','fast','P(fast is good enough) = 0.81 >= 0.55 for chat','continue','chat',0.81,0.55,'embedding-minilm-v1','{"chars": 33.0, "code": 0.25}',0.06,2.2,'stop',1500,1000,200,0,0,0,0,'0',NULL,'','','','',X'');
CREATE INDEX outcomes_by_time ON outcomes (created);
COMMIT;
