"""The issuing API: enrollment, renewal, reading, revocation, and the routes to them."""
