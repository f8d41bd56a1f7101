"""``headgate demo``: two good versions and a bad one behind a real proxy, real traffic, told as it happens.

``origin`` is the small service, ``clients`` the users, ``stage`` the processes and files, ``watcher`` the admin API as the story
needs it, ``story`` what happens in which order, ``telling`` the words, ``verb`` the command. Every figure comes from the clients'
own records or from the admin API.
"""
