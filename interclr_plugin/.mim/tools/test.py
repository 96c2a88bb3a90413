"""``mim test interclr_plugin CONFIG``: the plugin, then the stock tool."""
import sys

from interclr_plugin.__main__ import main

if __name__ == '__main__':
    main(['test', *sys.argv[1:]])
