package fs

// welcome is the README.md at the top of a mount, for a person who has just
// mounted it.
const welcome = `# Your Replicate account, as a folder

predictions/<id>/   every prediction: output files, prompt, input, logs, status
by-date/            the same by day and second (UTC), as links
by-status/          the same by status, as links
models/             the models that were used; any other public model is here
                    too, by its exact name: ls models/black-forest-labs/flux-schnell
deployments/        what you deployed, to be run like a model
collections/        models that Replicate's people put together, as links
search/<query>/     models that are found by it: ls search/upscale.
                    Nothing is listed in search/ itself
files/              files for models to read, for a day: cp uploads one, rm deletes
                    it, error.txt says why one was refused
trainings/<id>/     trainings, laid out as predictions; their weights are an output
gallery.html        the newest outputs, to look at in a browser
account.json        whose account this is

Outputs are fetched when they are read, in pieces, and kept in a cache.

## Run a model

    echo "A majestic lion" | tee models/black-forest-labs/flux-schnell/prompt.txt
    cp models/black-forest-labs/flux-schnell/latest/output-0.webp ~/

Saving prompt.txt runs the model once and waits for it. Saving input.json does
the same with a whole input, as schema.json describes it:

    echo '{"prompt": "a lion", "num_outputs": 4}' | tee models/black-forest-labs/flux-schnell/input.json

A folder made there is a draft: each file in it is the input field of its name,
and writing to its file run runs the model. Its results are in its latest/:

    cd models/acme/upscaler && mkdir portrait && cp ~/photo.jpg portrait/image.jpg
    echo go | tee portrait/run

Both read as empty, and looking at anything here never runs anything. When a
save is refused, error.txt beside it says why, and latest leads to no picture.

example/ in the folder of a model is the run that it shows on its page.

    echo x > predictions/<id>/cancel        ends a run
    tail -f predictions/<id>/logs.txt       watches one

Replicate deletes what API runs made one hour later. What was run from here is
kept, unless the mount was told otherwise; of the rest, copy out what you want,
or: replicatefs fetch --keep predictions/<id>
`
