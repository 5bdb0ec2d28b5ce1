"""The institution's own sign-in: CAS, OpenID Connect and LDAP."""
