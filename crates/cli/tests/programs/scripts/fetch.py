"""requests, alone and from eight threads, a refusal, and a name that does not exist."""
from concurrent.futures import ThreadPoolExecutor

import requests

noise = open("noise", "rb").read()


def fetch(_):
    return requests.get("http://[::1]:8000/noise").content == noise


with requests.Session() as session:
    print("session", session.get("http://[::1]:8000/noise").content == noise)
with ThreadPoolExecutor(8) as pool:
    print("threads", sum(pool.map(fetch, range(8))))
for url, words in [("http://[::1]:8001/", "Connection refused"), ("http://nothing.portolan.internal/", "not known")]:
    try:
        requests.get(url)
    except requests.ConnectionError as error:
        print(words in str(error))
