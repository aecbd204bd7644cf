"""Marks results as AI-generated and verifies them: visible label, invisible watermark, signed Content Credentials."""
