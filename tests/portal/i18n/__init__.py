"""Tests of portal/i18n."""
