"""Who answers, by when, and what the client is shown. Read `router.router` first."""
