"""`/api/health` and `/api/test`: is the service well?"""
